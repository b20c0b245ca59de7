/** Who has which lock of a simulated disk. */
import { HeadwaterError } from '../base/errors.ts'

export class SimLocks {
  readonly #holders = new Map<string, object>()

  /** Takes a lock, or says who takes it that it is taken. */
  take(path: string): object {
    if (this.#holders.has(path)) throw lockedElsewhere(path)
    const holder = {}
    this.#holders.set(path, holder)
    return holder
  }

  /** Takes a lock from whoever has it, as a machine does that cannot see the other: nobody is told. */
  steal(path: string): void {
    this.#holders.delete(path)
  }

  /** What nobody else has taken is taken again. */
  check(path: string, holder: object): void {
    if (!this.#holders.has(path)) this.#holders.set(path, holder)
    if (this.#holders.get(path) !== holder) throw lockedElsewhere(path)
  }

  release(path: string, holder: object): void {
    if (this.#holders.get(path) === holder) this.#holders.delete(path)
  }
}

function lockedElsewhere(path: string): HeadwaterError {
  const directory = path.slice(0, path.lastIndexOf('/'))
  return new HeadwaterError('data-dir-locked', `${directory} is in use: close the other store`)
}
