/**
 * What it costs the broker to look into records that are produced, beside the checksum of their batch.
 *
 *   node bench/walk.ts [rounds]
 *
 * Processor time of the thread, so that it can be told on a busy machine; batches lie in memory one after
 * the other, as they come from a socket, and are more than its caches hold.
 */
import { batchHeaderBytes, checkBatch, readBatchHeader } from '../src/records/batch.ts'
import { BatchBuilder } from '../src/records/record.ts'
import { RecordWalk } from '../src/records/walk.ts'

const rounds = Number(process.argv[2] ?? 15)
const memoryBytes = 48 * 1024 * 1024
const rules = { keyed: false, oldest: -Infinity, newest: Infinity, recordBytesMax: Infinity }

console.log(
  'records of a batch      walk  checksum      both   (µs of the processor a record, medians)',
)
for (const [count, valueBytes] of [
  [1, 1000],
  [15, 1000],
  [900, 1000],
  [10, 90],
  [150, 90],
  [9000, 90],
] as const) {
  const batches = copiesOf(batchOf(count, valueBytes))
  const columns = [
    median(() => batches.forEach(walk), batches.length * count),
    median(() => batches.forEach(check), batches.length * count),
    median(() => batches.forEach(both), batches.length * count),
  ]
  const name = `${String(count).padStart(6)} of ${valueBytes} bytes`
  console.log(name.padEnd(22), columns.map((each) => each.toFixed(3).padStart(9)).join(' '))
}

function batchOf(count: number, valueBytes: number): Uint8Array {
  const builder = new BatchBuilder()
  const now = Date.now()
  for (let at = 0; at < count; at++) {
    builder.append(now + (at >> 3), new Uint8Array(8).fill(at), new Uint8Array(valueBytes).fill(at))
  }
  return builder.finish()
}

function copiesOf(batch: Uint8Array): Uint8Array[] {
  const count = Math.ceil(memoryBytes / batch.length)
  const bytes = Buffer.alloc(count * batch.length)
  return Array.from({ length: count }, (_, at) => {
    bytes.set(batch, at * batch.length)
    return bytes.subarray(at * batch.length, (at + 1) * batch.length)
  })
}

function walk(batch: Uint8Array): void {
  const records = new RecordWalk(readBatchHeader(batch), rules, {})
  records.push(batch, batchHeaderBytes)
  if (records.finish() !== undefined) throw new Error('a sound batch was refused')
}

function check(batch: Uint8Array): void {
  if (checkBatch(batch) !== undefined) throw new Error('a sound batch was refused')
}

function both(batch: Uint8Array): void {
  check(batch)
  walk(batch)
}

/** Microseconds of `work` for each of `count` records. */
function median(work: () => void, count: number): number {
  const times = Array.from({ length: rounds }, () => {
    const before = process.threadCpuUsage()
    work()
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / count
  })
  return times.toSorted((a, b) => a - b)[rounds >> 1]!
}
