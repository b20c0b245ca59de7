/** Worker threads that share jobs. */
import { Worker } from 'node:worker_threads'
import type { Job, JobResult } from './job.ts'

export class Crew {
  readonly #idle: Worker[]
  readonly #all: readonly Worker[]
  readonly #waiting: ((worker: Worker) => void)[] = []

  constructor(count: number) {
    const file = new URL('worker.ts', import.meta.url)
    this.#all = Array.from({ length: count }, () => new Worker(file))
    this.#idle = [...this.#all]
  }

  /** Runs a job on the first worker that has nothing to do. */
  async run(job: Job): Promise<JobResult> {
    const worker =
      this.#idle.pop() ?? (await new Promise<Worker>((resolve) => this.#waiting.push(resolve)))
    const result = await new Promise<JobResult>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
      worker.postMessage(job)
    })
    worker.removeAllListeners('error')
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(worker)
    else next(worker)
    return result
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()))
  }
}
