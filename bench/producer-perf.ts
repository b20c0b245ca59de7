/** Kafka's own producer-perf-test, unmodified, with acks=all. Needs Java 17 and Maven. */
import { runKafkaTool } from '../scripts/kafka/tool.ts'

export interface Produced {
  readonly perSecond: number
  readonly p99Ms: number
}

/** Sends `count` records to a topic that is there, as fast as it can. */
export async function producerPerf(
  port: number,
  topic: string,
  count: number,
  recordBytes = 1_024,
): Promise<Produced> {
  const options = {
    '--topic': topic,
    '--num-records': `${count}`,
    '--record-size': `${recordBytes}`,
    '--throughput': '-1',
    '--bootstrap-server': `127.0.0.1:${port}`,
    '--command-property': 'acks=all',
  }
  const run = await runKafkaTool('producer-perf-test', Object.entries(options).flat())
  const last = run.stdout.trim().split('\n').at(-1) ?? ''
  const numbers = /([\d.]+) records\/sec.*?([\d.]+) ms 99th/.exec(last)
  if (numbers === null) throw new Error(`producer-perf-test said:\n${run.stdout}${run.stderr}`)
  return { perSecond: Number(numbers[1]), p99Ms: Number(numbers[2]) }
}
