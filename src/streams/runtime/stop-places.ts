/**
 * Records that stop a service, which it is led up to before it stops.
 *
 * What stops it shows in the middle of a transaction, and that is given up with all that was processed before
 * the record. So the service goes back to what is committed and once more up to the record, this time without
 * it, commits, and stops then: the group stands before the record, which `offsets skip` can leave out, and
 * what was before it is not held back by it.
 */
import { StoppedError } from '../task/stopped.ts'
import type { Task } from '../task/task.ts'

export class StopPlaces {
  /** By topic and partition. */
  readonly #errors = new Map<string, StoppedError>()

  /**
   * Notes what stops the service; false when it can stop at once.
   * @param tasks those that ran when it showed
   */
  add(error: unknown, tasks: Iterable<Task>): error is StoppedError {
    if (!(error instanceof StoppedError)) return false
    const { topic, partition, offset } = error.place
    const before = this.before(topic, partition)
    if (before !== undefined && before <= offset) return false
    const task = taskOf(tasks, error)
    if (task === undefined || task.lastCommitted(topic) === offset) return false
    this.#errors.set(`${topic}/${partition}`, error)
    return true
  }

  /** The offset that a partition is not to be processed to; undefined: none. */
  before(topic: string, partition: number): number | undefined {
    return this.#errors.get(`${topic}/${partition}`)?.place.offset
  }

  /** What the service is to stop with now: all before it has been processed, or the partition is another's. */
  reached(tasks: Iterable<Task>): StoppedError | undefined {
    if (this.#errors.size === 0) return undefined
    const all = [...tasks]
    return this.#errors.values().find((error) => {
      return taskOf(all, error)?.isAtStop(error.place.topic) ?? true
    })
  }
}

function taskOf(tasks: Iterable<Task>, { place }: StoppedError): Task | undefined {
  for (const task of tasks) {
    const isPlace = task.partition === place.partition
    if (isPlace && task.queues.some(({ source }) => source.topic === place.topic)) return task
  }
  return undefined
}
