/** Writes chunks: rows, letters and positions of each in one transaction. */
import type { OnError } from '../streams/topology/topology.ts'
import type { Discard } from '../streams/operators/discards.ts'
import type { OperatorCounts } from '../streams/operators/counts.ts'
import { halves, passedOver, stoppedAt, withoutLast } from './chunk.ts'
import type { Chunk, TakenRecord } from './chunk.ts'
import type { Database } from './database.ts'
import type { Letters } from './letters.ts'
import { movePositions } from './positions.ts'
import type { Positions } from './positions.ts'
import { isSqlFailure } from './sql-failure.ts'
import { statementsOf } from './statements.ts'
import type { WrittenTable } from './statements.ts'

export interface WriterOptions {
  readonly sink: string
  readonly onError: OnError
  readonly database: Database
  readonly tables: readonly WrittenTable[]
  readonly letters: Letters
  readonly counts: OperatorCounts
  /** Told of records that made no row, when that is committed. */
  readonly onDiscard: (discard: Discard) => void
  /** Told of each transaction, when it is committed. */
  readonly onStored: (chunk: Chunk) => void
}

export class ChunkWriter {
  readonly #o: WriterOptions

  constructor(options: WriterOptions) {
    this.#o = options
  }

  /**
   * Stores a chunk, whole or in parts; throws at the record that stops the sink, when everything before it is
   * stored.
   */
  async write(chunk: Chunk, positions: Positions): Promise<void> {
    const last = chunk.records.at(-1)
    if (last?.failure !== undefined && this.#o.onError === 'stop') {
      const before = withoutLast(chunk)
      if (before.moves.length > 0) await this.write(before, positions)
      throw stoppedAt(this.#o.sink, last)
    }
    try {
      await this.#store(chunk, positions)
    } catch (error) {
      const isOfRows = isSqlFailure(error, 'row')
      if (!(isOfRows || isSqlFailure(error, 'slow')) || chunk.records.length === 0) throw error
      if (chunk.records.length > 1) {
        for (const half of halves(chunk)) await this.write(half, positions)
        return
      }
      if (!isOfRows) throw error
      const failure = { operator: this.#operatorOf(last!), error: error.error }
      const alone = passedOver(chunk, failure)
      if (this.#o.onError === 'stop') throw stoppedAt(this.#o.sink, alone.records[0]!)
      await this.#store(alone, positions)
    }
  }

  async #store(chunk: Chunk, positions: Positions): Promise<void> {
    const { sink, database, tables, letters, onError, onStored } = this.#o
    const statements = statementsOf(
      tables,
      chunk.records.flatMap(({ changes }) => changes),
    )
    let rows = 0
    await database.transaction(async (query) => {
      // First, because that locks them: from here on nobody else can move them.
      await movePositions(query, sink, chunk.moves, positions)
      for (const { text, values } of statements) rows += (await query(text, values)).count
      const failed = chunk.records.filter(({ failure }) => failure !== undefined)
      if (onError === 'deadLetter') await letters.write(failed)
    })
    this.#count(chunk, rows)
    onStored(chunk)
  }

  #count({ records }: Chunk, rows: number): void {
    const { counts } = this.#o
    counts.taken += records.length
    counts.emitted += rows
    for (const record of records) {
      if (record.drop !== undefined) this.#dropped(record, record.drop)
      if (record.failure !== undefined) this.#failed(record, record.failure)
    }
  }

  #dropped({ source }: TakenRecord, { reason, operator }: NonNullable<TakenRecord['drop']>): void {
    this.#o.counts.drops[reason]++
    this.#o.onDiscard({ ...placed(source), reason, operator, records: 1, error: undefined })
  }

  #failed({ source }: TakenRecord, { operator, error }: NonNullable<TakenRecord['failure']>): void {
    const reason = this.#o.onError === 'skip' ? 'skipped' : 'deadLettered'
    this.#o.counts.failures[reason]++
    this.#o.onDiscard({ ...placed(source), reason, operator, records: 1, error })
  }

  #operatorOf({ changes }: TakenRecord): string {
    const names = changes.map((change) => `'${this.#o.tables[change.table]!.table.name}'`)
    return `${names.length > 1 ? 'tables' : 'table'} ${names.join(', ')}`
  }
}

function placed({ topic, partition, offset }: TakenRecord['source']) {
  return { topic, partition, offset }
}
