/**
 * One checkpoint, in slices: nothing here keeps appends waiting, whatever number of logs there is.
 *
 * The journal begins a new file. What must be brought into segment files is written, and the segments that
 * wait for a sync are synced; they are no more than may be open. Then the line of each log
 * is taken as the file is written, slice by slice. A line may know more than the old journal files hold:
 * replay takes from the new one only what is behind it. So all that any line knows is waited for before the
 * file counts: what a power cut takes back must not be in it, and a log that was deleted meanwhile must be
 * so in the journal before it is missing here.
 */
import type { Disk } from '../../io/ports.ts'
import type { Journal } from '../journal/journal.ts'
import type { JournalMark } from '../journal/mark.ts'
import type { Log } from '../log.ts'
import { writeCheckpoint, type CheckpointDraft } from './checkpoint.ts'
import type { WriteBehind } from './write-behind.ts'

/** A producer that wrote nothing for this long, and has no open transaction, is forgotten. */
export const producerIdleMsMax = 24 * 60 * 60 * 1000

export interface CheckpointParts {
  readonly disk: Disk
  readonly path: string
  readonly journal: Journal<Log>
  readonly mark: JournalMark
  /** Refuses when the directory is not this process's any more. */
  readonly check: () => Promise<void>
  readonly writeBehind: WriteBehind
  /** Brings nothing into segment files, where it would take room for good. */
  readonly carriesAll: boolean
  /** What is stored of the store itself, and its logs, at one moment. */
  readonly capture: () => {
    readonly nextLogNumber: number
    readonly leaderEpoch: number
    readonly logs: readonly Log[]
  }
}

export async function takeCheckpoint(parts: CheckpointParts): Promise<void> {
  const { disk, path, journal, mark, writeBehind, capture } = parts
  let captured = { nextLogNumber: 0, leaderEpoch: 0, logs: [] as readonly Log[] }
  await parts.check()
  const { fileNumber, nextSequence: firstSequence } = await journal.rotate(() => {
    captured = capture()
  })
  await writeBehind.inLane(async () => {
    if (!parts.carriesAll) await writeBehind.writeForCheckpoint()
    for (const { isDeleted, segments } of captured.logs) {
      if (!isDeleted && segments.isUnsynced) await segments.sync()
    }
    const { nextLogNumber, leaderEpoch } = captured
    const logs = captured.logs.filter((log) => !log.isDeleted)
    const draft = { fileNumber, firstSequence, nextLogNumber, leaderEpoch, logs: linesOf(logs) }
    await writeCheckpoint(disk, path, draft, async () => {
      await journal.settled()
      await journal.sync()
      await mark.flush()
      await parts.check()
    })
    await journal.dropBefore(fileNumber)
  })
}

function linesOf(logs: readonly Log[]): CheckpointDraft['logs'] {
  return {
    length: logs.length,
    *[Symbol.iterator]() {
      for (const log of logs) {
        log.expireProducers(producerIdleMsMax)
        yield log.checkpointLine()
      }
    },
  }
}
