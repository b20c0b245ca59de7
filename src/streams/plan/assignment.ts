/**
 * Which tasks and inputs an instance runs, given the partitions its group assigned to it.
 *
 * The group's assignor gives partitions of equal number of all topics to one member, so a task has all
 * its inputs. The owner of the partition with a split's position reads that split, so there is one at a time.
 */
import { assert } from '../../base/errors.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import type { InputPlan, Plan, SubTopology } from './plan.ts'

export interface Assignment {
  readonly tasks: readonly TaskAssignment[]
  readonly inputs: readonly InputAssignment[]
}

/** A split of an input; an input that is not split has one. */
export interface InputAssignment {
  readonly id: string
  readonly plan: InputPlan
  readonly split: number
}

export interface TaskAssignment {
  readonly id: string
  readonly subTopology: SubTopology
  readonly partition: number
  readonly topics: readonly string[]
}

/** The topics a service's group subscribes to. */
export function subscribedTopics({ subTopologies, inputs }: Plan): string[] {
  const sources = subTopologies.flatMap((part) => part.sources.map(({ topic }) => topic))
  return [...sources, ...inputs.map(({ positionTopic }) => positionTopic)].toSorted()
}

export function assignTasks(plan: Plan, partitions: readonly TopicPartition[]): Assignment {
  const owned = new Set(partitions.map(({ topic, partition }) => `${topic}/${partition}`))
  const tasks: TaskAssignment[] = []
  for (const subTopology of plan.subTopologies) {
    for (let partition = 0; partition < subTopology.partitions; partition++) {
      const there = subTopology.sources.filter((source) => partition < source.partitions)
      const ours = there.filter(({ topic }) => owned.has(`${topic}/${partition}`))
      if (ours.length === 0) continue
      const id = taskId(subTopology, partition)
      assert(
        ours.length === there.length || subTopology.stores.length === 0,
        `task ${id} has state and was assigned only some of its inputs`,
      )
      tasks.push({ id, subTopology, partition, topics: ours.map(({ topic }) => topic) })
    }
  }
  const splits = plan.inputs.flatMap(splitsOf)
  const inputs = splits.filter((each) => owned.has(`${each.plan.positionTopic}/${each.split}`))
  return { tasks, inputs }
}

function splitsOf(plan: InputPlan): InputAssignment[] {
  const { name, splits } = plan.node
  return Array.from({ length: splits }, (_, split) => {
    return { id: splits === 1 ? name : `${name}/${split}`, plan, split }
  })
}

/** A task's name, the same in every instance of the service. */
export function taskId(subTopology: SubTopology, partition: number): string {
  return `${subTopology.id}/${partition}`
}
