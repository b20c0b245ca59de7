/**
 * A body that goes on, and whose client has to keep up: nothing is made before the client has taken what was sent,
 * it is sent in pieces, and who takes too long for one is let go. So a client that takes a byte now and then holds
 * neither a place nor more than a piece and what the connection buffers.
 */
import type { Clock, Timer } from '../io/ports.ts'

/** Bytes that are sent at once. */
const pieceBytesMax = 16 * 1024
/**
 * How long a client may take for a piece; with what Node buffers before it (64 KiB), so who takes less than 3 KiB a
 * second while more waits.
 */
const takenWithinMs = 30_000

export interface Source {
  /** What comes next; `isLast`: nothing comes behind it. */
  next(): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly isLast: boolean }>
  /** Called once when nothing is wanted any more before that. */
  end(): Promise<void>
}

/** The body; it ends in the middle of what a client does not take. */
export function pacedBody(source: Source, clock: Clock): ReadableStream<Uint8Array<ArrayBuffer>> {
  let rest = new Uint8Array(0)
  let isLast = false
  let isOver = false
  let late: Timer | undefined
  const end = async (): Promise<void> => {
    isOver = true
    late?.cancel()
    await source.end()
  }
  return new ReadableStream(
    {
      pull: async (controller) => {
        late?.cancel()
        if (rest.length === 0) {
          const next = await source.next()
          if (isOver) return
          rest = next.bytes
          isLast = next.isLast
        }
        const piece = rest.subarray(0, pieceBytesMax)
        rest = rest.subarray(piece.length)
        controller.enqueue(piece)
        if (isLast && rest.length === 0) return controller.close()
        late = clock.after(takenWithinMs, () => {
          controller.close()
          void end()
        })
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  )
}
