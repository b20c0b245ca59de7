/**
 * Appends to a store in the directory of its argument until it is killed, and prints the last offset
 * of every log as soon as it is acknowledged: `<log> <offset>` a line.
 */
import { writeSync } from 'node:fs'
import { utf8Bytes } from '../../src/base/bytes.ts'
import { nodeClock } from '../../src/io/node-clock.ts'
import { nodeDisk } from '../../src/io/node-disk.ts'
import { LogStore } from '../../src/log/store/log-store.ts'
import { BatchBuilder } from '../../src/records/record.ts'

const store = await LogStore.open({
  disk: nodeDisk,
  clock: nodeClock,
  directory: process.argv[2]!,
  segmentBytes: 200_000,
  journalBytes: 300_000,
  writeBehindBytes: 50_000,
})

for (const name of ['flights-0', 'flights-1', 'delays-0']) void write(name)

async function write(name: string): Promise<void> {
  const log = store.get(name) ?? (await store.create(name))
  for (;;) {
    const builder = new BatchBuilder()
    for (let at = 0; at < 20; at++) {
      builder.append(at, null, utf8Bytes(`${name} ${log.endOffset + at}`.padEnd(100)))
    }
    const result = log.append(builder.finish())
    if (result.kind === 'refused') throw new Error(result.reason)
    await result.durable
    writeSync(1, `${name} ${result.lastOffset}\n`)
  }
}
