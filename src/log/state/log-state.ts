/**
 * What a log knows beyond its bytes, as a fold over its batches: producers, transactions, epochs, and
 * where it starts. The same fold runs on every append and on every replay of the journal, so what a
 * restart knows is what was known before.
 *
 *   in the checkpoint: start offset (8), end offset of the fold (8), epoch count (4),
 *   epochs: epoch (4), start offset (8); then producers and transactions as their files say
 */
import { Reader, Writer } from '../../base/bytes.ts'
import { isControl, isTransactional, type BatchHeader } from '../../records/batch.ts'
import { controlKind } from '../../records/record.ts'
import { Epochs, type EpochStart } from './epochs.ts'
import { Producers, type AppendTime } from './producers.ts'
import { TransactionIndex } from './transaction-index.ts'

export class LogState {
  startOffset = 0
  /** Batches below are in the fold. */
  endOffset = 0
  readonly producers: Producers
  readonly transactions: TransactionIndex
  readonly epochs: Epochs

  constructor(
    producers = new Producers(),
    transactions = new TransactionIndex(),
    epochs = new Epochs(),
  ) {
    this.producers = producers
    this.transactions = transactions
    this.epochs = epochs
  }

  /** Takes in the batch that begins at `baseOffset`. */
  apply(batch: Uint8Array, header: BatchHeader, baseOffset: number, at: Moment): void {
    this.endOffset = baseOffset + header.lastOffsetDelta + 1
    this.epochs.note(at.leaderEpoch, baseOffset)
    const before = this.producers.get(header.producerId)?.transactionStart ?? -1
    this.producers.apply(header, baseOffset, at)
    if (isControl(header.attributes)) {
      if (before !== -1) {
        this.transactions.end(before, this.endOffset - 1, controlKind(batch) === 'abort')
      }
    } else if (isTransactional(header.attributes) && before === -1) {
      this.transactions.begin(header.producerId, baseOffset)
    }
  }

  encode(): Uint8Array {
    const writer = new Writer(256)
    writer.int64(this.startOffset)
    writer.int64(this.endOffset)
    writer.int32(this.epochs.starts.length)
    for (const start of this.epochs.starts) {
      writer.int32(start.epoch)
      writer.int64(start.startOffset)
    }
    this.producers.encode(writer)
    this.transactions.encode(writer)
    return writer.finish()
  }

  static decode(bytes: Uint8Array): LogState {
    const reader = new Reader(bytes)
    const startOffset = reader.int64()
    const endOffset = reader.int64()
    const starts: EpochStart[] = Array.from({ length: reader.int32() }, () => ({
      epoch: reader.int32(),
      startOffset: reader.int64(),
    }))
    const producers = Producers.decode(reader)
    const state = new LogState(producers, TransactionIndex.decode(reader), new Epochs(starts))
    state.startOffset = startOffset
    state.endOffset = endOffset
    return state
  }
}

/** When, and under which leader epoch, a batch was taken in. */
export interface Moment extends AppendTime {
  readonly leaderEpoch: number
}
