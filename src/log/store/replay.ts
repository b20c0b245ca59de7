/** Building the logs of a directory in memory: first as the checkpoint has them, then the journal's entries. */
import type { Disk } from '../../io/ports.ts'
import { readBatchHeader } from '../../records/batch.ts'
import type { LogCheckpoint, LogIdentity } from '../identity.ts'
import { decodeIdentity } from './checkpoint.ts'
import { emptyBatches } from './salvage.ts'
import type { Beyond, SurveyedLog } from './survey.ts'
import { EntryKind, type JournalEntry } from '../journal/format.ts'
import { LogState } from '../state/log-state.ts'
import { Log, type LogHost } from '../log.ts'
import type { SegmentFiles } from '../segments/segment-file.ts'
import { SegmentPool } from '../segments/pool.ts'
import { Segments, type SegmentExtent } from '../segments/segments.ts'

/** Longest directory name made of a log's name alone: file systems stop at 255 bytes. */
const directoryNameMax = 200
/** Open files of logs that are only read. */
const readingDescriptorsMax = 16

export interface TruncatedRange {
  readonly log: string
  /** First offset that was written but never acknowledged. */
  readonly from: number
  /** The offset after the last one. */
  readonly to: number
}

export interface LogFactory {
  readonly files: SegmentFiles
  readonly host: LogHost
  readonly segmentBytes: number
  readonly logsPath: string
}

/** A log that has no segments yet, or those of `extents`. */
export function makeLog(
  factory: LogFactory,
  identity: LogIdentity,
  state = new LogState(),
  writtenOffset = 0,
  extents: readonly SegmentExtent[] = [],
): Log {
  const { files, host, logsPath } = factory
  const directory = `${logsPath}/${directoryName(identity.name, identity.number)}`
  const segmentBytes = identity.config.segmentBytes ?? factory.segmentBytes
  const segments = new Segments(files, directory, segmentBytes, extents)
  return new Log(host, identity, segments, state, writtenOffset)
}

export class Replay {
  readonly logs = new Map<number, Log>()
  readonly extents = new Map<number, readonly SegmentExtent[]>()
  /** The end of each log that the checkpoint knows; it waited until the journal had all of that. */
  readonly knownEnds = new Map<number, number>()
  nextLogNumber: number
  leaderEpoch: number
  records = 0
  /** Those that the checkpoint carried. */
  carriedRecords = 0
  /** Filled with nothing, because what stood there cannot be read. */
  readonly lost: TruncatedRange[] = []
  readonly #factory: LogFactory

  constructor(factory: LogFactory, nextLogNumber: number, leaderEpoch: number) {
    this.#factory = factory
    this.nextLogNumber = nextLogNumber
    this.leaderEpoch = leaderEpoch
  }

  /** Puts a log back as the checkpoint has it. */
  restore(line: LogCheckpoint): void {
    const state = LogState.decode(line.state)
    const log = makeLog(this.#factory, line, state, line.writtenOffset, line.extents)
    // Of their own, so that they do not keep the whole checkpoint in memory.
    for (const batch of line.carried) log.restore(batch.slice())
    for (const batch of line.carried) this.carriedRecords += readBatchHeader(batch).recordCount
    this.logs.set(line.number, log)
    this.extents.set(line.number, line.extents)
    this.knownEnds.set(line.number, state.endOffset)
  }

  /** @param mayLack whether entries before this one may be lost */
  apply(entry: JournalEntry, payload: Uint8Array, appendedAt: number, mayLack: boolean): void {
    const number = entry.logNumber
    switch (entry.kind) {
      case EntryKind.batch: {
        const log = this.logs.get(number)
        const header = readBatchHeader(payload)
        this.records += header.recordCount
        if (mayLack && log !== undefined && header.baseOffset > log.endOffset) {
          this.#lose(log, header.baseOffset, header.partitionLeaderEpoch, appendedAt)
        }
        log?.replay(payload, header, appendedAt)
        return
      }
      case EntryKind.create:
        if (number < this.nextLogNumber) return
        this.logs.set(number, makeLog(this.#factory, { ...decodeIdentity(payload), number }))
        this.nextLogNumber = number + 1
        return
      case EntryKind.delete:
        this.logs.get(number)?.markDeleted()
        this.logs.delete(number)
        return
      case EntryKind.start:
        this.logs.get(number)?.replayStart(entry.offset)
        return
      case EntryKind.epoch:
        this.leaderEpoch = Math.max(this.leaderEpoch, entry.offset)
    }
  }

  *surveyed(): Iterable<SurveyedLog> {
    for (const [number, log] of this.logs) {
      const directory = `${this.#factory.logsPath}/${directoryName(log.name, number)}`
      yield { log, directory, extents: this.extents.get(number) ?? [] }
    }
  }

  /** Logs that end before what the checkpoint knows of them, and up to where. */
  *short(): Iterable<{ log: Log; knownEnd: number }> {
    for (const [number, log] of this.logs) {
      const knownEnd = this.knownEnds.get(number) ?? 0
      if (knownEnd > log.endOffset) yield { log, knownEnd }
    }
  }

  /** Takes from a segment what the journal lacks. */
  adopt({ log, batches }: Beyond): void {
    for (const batch of batches) {
      const header = readBatchHeader(batch)
      this.records += header.recordCount
      log.replay(batch, header, header.maxTimestamp)
    }
  }

  /**
   * Ends every log with a batch without records: what came next may be lost, and its offsets are not given
   * to other records. @param known what is known to be lost
   */
  endAll(known: readonly TruncatedRange[]): void {
    for (const log of this.logs.values()) {
      const ends = known.filter((range) => range.log === log.name).map(({ to }) => to)
      const lostEnd = Math.max(0, ...ends)
      if (lostEnd > log.endOffset) this.#lose(log, lostEnd, this.leaderEpoch, 0)
      this.#fill(log, log.endOffset + 1, this.leaderEpoch, 0)
    }
  }

  #lose(log: Log, to: number, leaderEpoch: number, appendedAt: number): void {
    this.lost.push({ log: log.name, from: log.endOffset, to })
    this.#fill(log, to, leaderEpoch, appendedAt)
  }

  /** Puts batches without records where some are lost, so that one still begins where another ends. */
  #fill(log: Log, to: number, leaderEpoch: number, appendedAt: number): void {
    for (const batch of emptyBatches(log.endOffset, to, leaderEpoch)) {
      log.replay(batch, readBatchHeader(batch), appendedAt)
    }
  }

  rangesOf(entries: readonly JournalEntry[]): TruncatedRange[] {
    const ranges = new Map<string, TruncatedRange>()
    for (const entry of entries) {
      const log = entry.kind === EntryKind.batch ? this.logs.get(entry.logNumber) : undefined
      if (log === undefined) continue
      const from = ranges.get(log.name)?.from ?? entry.offset
      ranges.set(log.name, { log: log.name, from, to: entry.offset + entry.lastOffsetDelta + 1 })
    }
    return [...ranges.values()]
  }
}

/** For logs that are only read. */
export function readingFactory(disk: Disk, { logsPath }: { logsPath: string }): LogFactory {
  const pool = new SegmentPool(readingDescriptorsMax)
  const files = { disk, pool, onFailure: () => {}, indexIntervalBytes: 1 }
  // Logs that are built from a checkpoint and a journal ask nothing of their host.
  return { files, host: {} as LogHost, segmentBytes: 1, logsPath }
}

/** A log's directory: its name, or its beginning and the log's number when the name is too long. */
export function directoryName(name: string, number: number): string {
  return name.length <= directoryNameMax ? name : `${name.slice(0, directoryNameMax)}~${number}`
}
