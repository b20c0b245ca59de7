/** A thread that runs jobs one after the other, as they are sent. */
import { parentPort } from 'node:worker_threads'
import { runJob } from './job.ts'
import type { Job } from './job.ts'

parentPort!.on('message', (job: Job) => {
  void runJob(job).then((result) => parentPort!.postMessage(result))
})
