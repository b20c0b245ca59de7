/** The histories of one pass for one seed: what a worker does at a time. */
import type { PlantedFault } from '../../src/base/planted.ts'
import { planted } from '../../src/base/planted.ts'
import { passes } from '../../test/simulation/cluster/passes.ts'
import type { PassName } from '../../test/simulation/cluster/passes.ts'
import { play } from '../../test/simulation/cluster/play.ts'

export interface Job {
  readonly pass: PassName
  readonly seed: number
  /** Every so many points, beginning with one drawn from the seed. */
  readonly stride: number
  /** Only this point, counted from 1. */
  readonly point?: number
  /** Every history twice, to see that one seed is one history. */
  readonly repeat: boolean
  readonly bug?: PlantedFault
}

export interface JobResult {
  readonly histories: number
  /** What went wrong, and the options that show it again. */
  readonly failure?: { readonly text: string; readonly here: string }
}

export async function runJob(job: Job): Promise<JobResult> {
  planted.clear()
  if (job.bug !== undefined) planted.add(job.bug)
  let here = `--seed ${job.seed} --pass ${job.pass}`
  let histories = 0
  try {
    const points = await passes[job.pass](job.seed)
    const from =
      job.point === undefined ? job.seed % Math.min(job.stride, points.length) : job.point - 1
    const step = job.point === undefined ? job.stride : points.length
    for (let at = from; at < points.length; at += step) {
      if (points.length > 1) here = `--seed ${job.seed} --pass ${job.pass} --point ${at + 1}`
      const { traceHash } = await play(points[at]!)
      if (job.repeat) await playAgain(points[at]!, traceHash)
      histories++
    }
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { histories, failure: { text, here } }
  } finally {
    planted.clear()
  }
  return { histories }
}

async function playAgain(point: Parameters<typeof play>[0], traceHash: string): Promise<void> {
  const again = await play(point)
  if (again.traceHash !== traceHash) {
    throw new Error(`the same seed gave two histories: ${traceHash} and ${again.traceHash}`)
  }
}
