/** What a single file of a data directory says, one line after the other, sound or not. Nothing is changed. */
import { utf8String } from '../../base/bytes.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Disk } from '../../io/ports.ts'
import { checkBatch, readBatchHeader } from '../../records/batch.ts'
import {
  decodeGroup,
  decodeJournalHeader,
  EntryKind,
  findGroupMagic,
  groupTableBytes,
  journalHeaderBytes,
} from '../journal/format.ts'
import { readMark } from '../journal/mark.ts'
import { readCheckpoint, readFile } from './checkpoint.ts'
import { unseal } from './seal.ts'

/** One thing in a file: what it is, and its fields. */
export interface DumpLine {
  readonly type: string
  readonly [field: string]: unknown
  /** The batch itself, for who wants its records. */
  readonly batch?: Uint8Array
}

const kindNames = new Map<number, string>(
  Object.entries(EntryKind).map(([name, kind]) => [kind, name]),
)

/** Throws `not-found`, and `config-invalid` for a file that is none of ours. */
export async function* dumpFile(disk: Disk, path: string): AsyncIterable<DumpLine> {
  if ((await disk.fileSize(path)) === undefined) throw noFile(path)
  const [directory, name] = [path.slice(0, path.lastIndexOf('/')), path.split('/').at(-1)!]
  if (name.endsWith('.journal')) yield* dumpJournal(await readFile(disk, path))
  else if (name.endsWith('.log')) yield* dumpBatches(await readFile(disk, path))
  else if (name === 'checkpoint') yield* dumpCheckpoint(disk, directory)
  else if (name === 'synced') yield { type: 'mark', ...(await readMark(disk, path)) }
  else if (['meta.json', 'clean'].includes(name)) yield dumpSealed(name, await readFile(disk, path))
  else throw notOurs(path)
}

function* dumpJournal(bytes: Uint8Array): Iterable<DumpLine> {
  const header = decodeJournalHeader(bytes)
  yield header === undefined ? unreadable(0, 'no header') : { type: 'header', ...header }
  const seed = header?.seed ?? 0
  for (let at = journalHeaderBytes; at < bytes.length;) {
    const group = decodeGroup(bytes, at, seed)
    if (group === undefined) {
      yield unreadable(at, 'no group, or one that fails its checksum')
      const next = findGroupMagic(bytes, at + 1)
      at = next === -1 ? bytes.length : next
      continue
    }
    const { entries, ...fields } = group
    yield { type: 'group', at, ...fields }
    at += groupTableBytes(bytes, at)!
    for (const { kind, ...entry } of entries) {
      const payload = bytes.subarray(at, at + entry.sizeBytes)
      yield {
        type: 'entry',
        kind: kindNames.get(kind) ?? kind,
        ...entry,
        at,
        ...payloadOf(kind, payload),
      }
      at += entry.sizeBytes
    }
  }
}

function payloadOf(kind: EntryKind, payload: Uint8Array): object {
  if (kind === EntryKind.create) return { log: utf8String(payload) }
  if (kind !== EntryKind.batch) return {}
  const fault = checkBatch(payload)
  return fault === undefined ? { batch: payload } : { fault }
}

function* dumpBatches(bytes: Uint8Array): Iterable<DumpLine> {
  for (let at = 0; at < bytes.length;) {
    const fault = checkBatch(bytes, at)
    if (fault !== undefined) {
      yield unreadable(at, fault)
      do at++
      while (at < bytes.length && (bytes[at + 16] !== 2 || checkBatch(bytes, at) !== undefined))
      continue
    }
    const { sizeBytes, ...header } = readBatchHeader(bytes, at)
    yield { type: 'batch', at, sizeBytes, ...header, batch: bytes.subarray(at, at + sizeBytes) }
    at += sizeBytes
  }
}

async function* dumpCheckpoint(disk: Disk, directory: string): AsyncIterable<DumpLine> {
  const { logs, ...fields } = await readCheckpoint(disk, directory)
  yield { type: 'checkpoint', ...fields }
  for (const { state, ...log } of logs) yield { type: 'log', ...log, stateBytes: state.length }
}

function dumpSealed(name: string, bytes: Uint8Array): DumpLine {
  const text = utf8String(bytes).trimEnd()
  return { type: name, ...unseal(bytes), text, sound: unseal(bytes) !== undefined }
}

function unreadable(at: number, fault: string): DumpLine {
  return { type: 'unreadable', at, fault }
}

function noFile(path: string): HeadwaterError {
  return new HeadwaterError('not-found', `there is no file ${path}: name one in a data directory`)
}

function notOurs(path: string): HeadwaterError {
  return new HeadwaterError(
    'config-invalid',
    `${path} cannot be dumped: name a file that ends in .journal or .log, or one called checkpoint, synced, ` +
      'meta.json or clean',
  )
}
