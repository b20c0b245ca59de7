/**
 * `npm run endurance -- --minutes 60`: clients of four families (Kafka's Java client, librdkafka, KafkaJS,
 * @platformatic/kafka) write to a broker and read from it in groups, while connections storm it, clients do not
 * read or send only halves, readers are killed, and the broker is killed, closed and suspended.
 *
 *   --minutes M     how long (60)
 *   --seed N        fixes what befalls the broker, and in which order (a new one each time)
 *   --rate R        records a second of each of the four writers (50)
 *   --loud          says each trouble
 *   --json          one line of JSON on standard output
 *
 * Needs Java 17, Maven and kcat. Exit codes: 0 everything held, 1 something did not, 2 it could not go on.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { endure, filesMax, rssMiBMax, type Endured } from '../test/endurance/play.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string' },
    rate: { type: 'string', default: '50' },
    loud: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const progressMs = 30_000
const directory = mkdtempSync(join(tmpdir(), 'headwater-endurance-'))
let saidAt = 0

try {
  console.error(`seed ${seed}, ${values.minutes} minutes`)
  const endured = await endure({
    directory,
    seed,
    seconds: Number(values.minutes) * 60,
    rate: Number(values.rate),
    ...(values.loud ? { onTrouble: (line: string) => console.error(line) } : {}),
    onProgress: (line) => {
      if (performance.now() - saidAt < progressMs) return
      saidAt = performance.now()
      console.error(line)
    },
  })
  if (values.json) console.log(JSON.stringify({ seed, ...endured }))
  console.error(summaryOf(endured))
  for (const fault of endured.faults) console.error(`✗ ${fault}`)
  if (endured.faults.length > 0) {
    console.error(`\nthe broker's data and log: ${directory}`)
    console.error(`once more: npm run endurance -- --minutes ${values.minutes} --seed ${seed}`)
  } else {
    rmSync(directory, { recursive: true, force: true })
  }
  process.exitCode = endured.faults.length > 0 ? 1 : 0
} catch (error) {
  console.error(error)
  process.exitCode = 2
}
process.exit()

function summaryOf({ acknowledged, troubles, peak, ...o }: Endured): string {
  const all = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  return [
    `acknowledged: ${all(acknowledged)}; given up by the client: ${all(o.givenUp)}`,
    `troubles: ${all(troubles)}; readers started ${o.readerStarts} times`,
    `the longest start took ${o.longestStartMs.toFixed(0)} ms`,
    `RSS at most ${peak.rssMiB.toFixed(0)} MiB (bound ${rssMiBMax}), ` +
      `${peak.files} files (${filesMax}), ${peak.sockets} sockets, ${o.socketsAtRest} at rest`,
  ].join('\n')
}
