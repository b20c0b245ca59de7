/** Batches and stores for the tests of this room. */
import { utf8Bytes } from '../../../src/base/bytes.ts'
import type { Clock } from '../../../src/io/ports.ts'
import { LogStore } from '../../../src/log/store/log-store.ts'
import type { LogStoreOptions } from '../../../src/log/store/options.ts'
import type { AppendResult, Log } from '../../../src/log/log.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'

/** A batch of `count` records at `timestamp`, `timestamp + 1` and so on. */
export function batchOf(
  count: number,
  o: {
    timestamp?: number
    producerId?: number
    producerEpoch?: number
    baseSequence?: number
    transactional?: boolean
    valueBytes?: number
    /** The byte that values are full of. */
    fill?: number
  } = {},
): Uint8Array {
  const { timestamp = 1_000, valueBytes = 10, fill = 0, ...producer } = o
  const builder = new BatchBuilder()
  for (let at = 0; at < count; at++) {
    builder.append(timestamp + at, utf8Bytes(`key-${at}`), new Uint8Array(valueBytes).fill(fill))
  }
  return builder.finish(producer)
}

/** A batch of a producer, by its place in the producer's sequence. */
export function sequenced(
  producerId: number,
  producerEpoch: number,
  baseSequence: number,
  count = 1,
): Uint8Array {
  return batchOf(count, { producerId, producerEpoch, baseSequence })
}

/** A clock that a test moves by hand; `soon` is the end of the current turn. */
export class HandClock implements Clock {
  time = 1_700_000_000_000
  /** How wrong the wall clock is. */
  wallAheadMs = 0

  now(): number {
    return this.time + this.wallAheadMs
  }

  monotonic(): number {
    return this.time
  }

  after(): { cancel(): void } {
    return { cancel: () => undefined }
  }

  soon(callback: () => void): void {
    queueMicrotask(callback)
  }
}

/** The same, but that its timers fire, as soon as the test lets others run. */
export class TurningClock extends HandClock {
  override after(_delayMs = 0, callback: () => void = () => {}): { cancel(): void } {
    const timer = setImmediate(callback)
    return { cancel: () => clearImmediate(timer) }
  }
}

export async function openStore(o: Partial<LogStoreOptions> = {}): Promise<LogStore> {
  const disk = o.disk ?? new SimDisk({ seed: 1 })
  return await LogStore.open({ clock: new HandClock(), directory: '/data', ...o, disk })
}

/** Appends, waits until it is durable, and says where it stands. */
export async function stored(log: Log, batch: Uint8Array): Promise<number> {
  const result = accepted(log.append(batch))
  await result.durable
  return result.baseOffset
}

export function accepted(result: AppendResult): Exclude<AppendResult, { kind: 'refused' }> {
  if (result.kind === 'refused') throw new Error(`refused: ${result.reason}`)
  return result
}
