/**
 * The log of a machine: found, replayed, and written anew when it has grown long, which `machine-host.ts`
 * decides.
 *
 * It is numbered (`coordinator.groups-1`). The state is dumped into the next number, and deleting the old one
 * is the switch, so a crash leaves one or the other.
 */
import { assert, type HeadwaterError } from '../../base/errors.ts'
import { replay, type Machine } from '../../coordinator/machine.ts'
import type { LogStore } from '../../log/store/log-store.ts'
import type { Log } from '../../log/log.ts'
import { nextOffsetOf, readBatchHeader, splitBatches } from '../../records/batch.ts'
import { BatchBuilder, decodeRecords } from '../../records/record.ts'

const replayReadBytes = 1024 * 1024
/** Changes of a dump in one batch. */
const dumpBatchBytes = 256 * 1024

/** Opens the machine's log, the lowest number there is, and removes what an unfinished switch left. */
export async function openMachineLog(store: LogStore, machineName: string): Promise<Log> {
  const prefix = logPrefix(machineName)
  const numbers = store
    .names()
    .filter((name) => isMachineLog(name) && name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
    .toSorted((a, b) => a - b)
  for (const unfinished of numbers.slice(1)) await store.delete(`${prefix}${unfinished}`)
  const name = `${prefix}${numbers[0] ?? 1}`
  return store.get(name) ?? store.create(name)
}

/** Whether a log of the store belongs to a machine. A topic's log ends with a dot and the topic's id. */
export function isMachineLog(name: string): boolean {
  return /^coordinator\.[a-z]+-\d+$/.test(name)
}

function logPrefix(machineName: string): string {
  return `coordinator.${machineName}-`
}

export interface Replayed<State> {
  readonly damage?: HeadwaterError
  readonly state: State
  /** A repair has put batches without records in the place of some that it could not read. */
  readonly hasLostChanges: boolean
}

export async function replayLog<State, Command, Change, Effect>(
  machine: Machine<State, Command, Change, Effect>,
  log: Log,
  o: { upTo?: number; readBytes?: number; turn?: () => Promise<void> } = {},
): Promise<Replayed<State>> {
  const state = machine.initial()
  const { upTo = log.highWatermark, readBytes = replayReadBytes } = o
  let hasLostChanges = false
  let at = log.startOffset
  while (at < upTo) {
    await o.turn?.()
    const read = await log.read(at, { maxBytes: readBytes, upTo, minOneBatch: true })
    const batches = read.flatMap(splitBatches)
    assert(batches.length > 0, `the log of ${machine.name} ends before its high watermark`)
    for (const batch of batches) {
      const stored = decodeRecords(batch).map(({ value }) => {
        assert(value !== null, 'a stored change has no bytes')
        return value
      })
      replay(machine, stored, state)
      hasLostChanges ||= stored.length === 0
      at = nextOffsetOf(readBatchHeader(batch))
    }
  }
  return { state, hasLostChanges }
}

/** Writes the state into the next log; the old one stays when that would not halve it. */
export async function shorten<State, Command, Change, Effect>(
  store: LogStore,
  machine: Machine<State, Command, Change, Effect>,
  state: State,
  old: Log,
  now: number,
): Promise<Log> {
  const batches = [...dumpBatches(machine, state, now)]
  const bytes = batches.reduce((sum, batch) => sum + batch.length, 0)
  if (bytes * 2 > old.sizeBytes) return old
  const log = await store.create(nextLogName(machine.name, old))
  for (const batch of batches) await appendCopy(log, batch)
  await store.delete(old.name)
  return log
}

/** The size at which it is worth the work to shorten a log that was just found, or made, short. */
export function enoughFor(log: Log, logBytesMax: number): number {
  return Math.max(logBytesMax, 2 * log.sizeBytes)
}

export function nextLogName(machineName: string, old: Log): string {
  const prefix = logPrefix(machineName)
  return `${prefix}${Number(old.name.slice(prefix.length)) + 1}`
}

/** Settles when it is durable; a failure is that of the store, which has told the broker. */
export function appendCopy(log: Log, batch: Uint8Array): Promise<void> {
  const result = log.append(batch)
  assert(result.kind === 'appended', 'a coordinator log refused a copy')
  return result.durable
}

export function* dumpBatches<State, Command, Change, Effect>(
  machine: Machine<State, Command, Change, Effect>,
  state: State,
  now: number,
  batchBytes = dumpBatchBytes,
): Iterable<Uint8Array> {
  let builder = new BatchBuilder()
  for (const change of machine.dump(state)) {
    const bytes = machine.encode(change)
    assert(bytes !== undefined, 'a dump holds a volatile change')
    builder.append(now, null, bytes)
    if (builder.sizeBytes < batchBytes) continue
    yield builder.finish()
    builder = new BatchBuilder()
  }
  if (builder.count > 0) yield builder.finish()
}

export function bytesOf(batches: readonly Uint8Array[]): number {
  return batches.reduce((sum, { length }) => sum + length, 0)
}
