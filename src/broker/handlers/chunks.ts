/**
 * Stored batches as what is written to a socket. A chunk costs some hundred bytes beside its own, and keeps the
 * whole buffer that it is a view of: of thousands of small ones that nobody read, 128 MiB held 200.
 */
import { adjoined, concatBytes } from '../../base/bytes.ts'

/** What is smaller is copied together with its neighbours. */
const smallBytes = 2 * 1024
/** As much as is copied together. */
const togetherBytes = 64 * 1024

/** The same bytes in few chunks: neighbours in one buffer are one view of it, small ones in a row one copy. */
export function chunksOf(batches: readonly Uint8Array[]): readonly Uint8Array[] {
  const runs = adjoined(batches)
  if (runs.length < 2) return runs
  const chunks: Uint8Array[] = []
  let together: Uint8Array[] = []
  let bytes = 0
  const flush = (): void => {
    // One alone is copied, too: it may be a view of much.
    if (together.length === 1) chunks.push(together[0]!.slice())
    else if (together.length > 1) chunks.push(concatBytes(together))
    together = []
    bytes = 0
  }
  for (const run of runs) {
    const isSmall = run.length < smallBytes
    if (!isSmall || bytes + run.length > togetherBytes) flush()
    if (!isSmall) {
      chunks.push(run)
      continue
    }
    together.push(run)
    bytes += run.length
  }
  flush()
  return chunks
}
