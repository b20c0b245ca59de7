/** What happens in a broker that an operator may want to read. Nothing of it is an error of the caller's. */
import type { HeadwaterError } from '../base/errors.ts'

export type BrokerEvent =
  /** What a start brought back, before anyone could connect; `clean` after a close in good order. */
  | {
      readonly type: 'started'
      readonly clean: boolean
      readonly logs: number
      /** Brought back from the journal. */
      readonly records: number
      readonly milliseconds: number
    }
  /** What a start found in its data directory and went on with: see `docs/operations/starts.md`. */
  | {
      readonly type: 'directory-finding'
      readonly kind: 'upgraded' | 'copied' | 'healed' | 'cut' | 'damaged'
      readonly text: string
    }
  /** The broker ended a connection for a fault of the client's: garbage, too much, too slow, too many. */
  | { readonly type: 'connection-refused'; readonly remote: string; readonly reason: string }
  /** A client asked for nothing for so long that its connection was closed; it opens another when it needs one. */
  | { readonly type: 'connection-idle'; readonly remote: string; readonly reason: string }
  /** Stored records cannot be read; said once for a partition. The others go on. */
  | {
      readonly type: 'partition-damaged'
      readonly topic: string
      readonly partition: number
      readonly error: HeadwaterError
    }
  /** A stored batch is not what its header says, so its header answered a look-up by time; said once for a
   * partition. */
  | {
      readonly type: 'batch-unsound'
      readonly topic: string
      readonly partition: number
      readonly error: HeadwaterError
    }
  /** A transaction ended and this partition got no marker: its topic is gone, or its log has seen a later
   * epoch of the producer. Nothing of the transaction is left open there. */
  | {
      readonly type: 'marker-skipped'
      readonly transactionalId: string
      readonly topic: string
      readonly partition: number
      readonly reason: string
    }
  /** The system has no descriptors left for files: the broker waits for some and takes no connections. */
  | { readonly type: 'descriptors-short'; readonly error: HeadwaterError }
  /** It has some again, and all goes on. */
  | { readonly type: 'descriptors-enough' }
  /** The disk is full: what would fill it is refused until there is room; what reads or deletes goes on. */
  | { readonly type: 'disk-full'; readonly error: HeadwaterError }
  /** It has room again, and all goes on. */
  | { readonly type: 'disk-has-room' }
  /** The disk failed and the broker stopped; what was acknowledged is safe. */
  | { readonly type: 'broker-failed'; readonly error: HeadwaterError }
