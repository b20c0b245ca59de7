/** The garbage collector, called by tests about what is held in memory. */
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

export async function collectGarbage(): Promise<void> {
  // A reference that was looked at lives until its turn is over.
  await turn()
  gc()
  await turn()
  gc()
}

/** How many of `refs` are still there, once what can go is gone. */
export async function countHeld(refs: readonly WeakRef<object>[]): Promise<number> {
  await collectGarbage()
  return refs.filter((ref) => ref.deref() !== undefined).length
}
