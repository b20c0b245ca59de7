/** What the broker's process holds, from outside: memory, and what its descriptors are. */
import { readdirSync, readlinkSync } from 'node:fs'
import { usageOf } from '../../bench/measure.ts'

export interface Held {
  readonly rssMiB: number
  readonly files: number
  readonly sockets: number
}

/** Undefined when there is no such process any more. */
export function heldBy(pid: number): Held | undefined {
  try {
    const { rssMiB } = usageOf(pid)
    const open = readdirSync(`/proc/${pid}/fd`).map((each) => linkOf(`/proc/${pid}/fd/${each}`))
    const sockets = open.filter((link) => link.startsWith('socket:')).length
    return { rssMiB, files: open.length - sockets, sockets }
  } catch {
    return undefined
  }
}

/** Closed while it is looked at: it is nothing. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/** The most that was held at any time, over all lives of the broker. */
export class Peak {
  rssMiB = 0
  /** What befell the broker when it held that much. */
  during = ''
  files = 0
  sockets = 0

  note({ rssMiB, files, sockets }: Held, trouble: string): void {
    if (rssMiB > this.rssMiB) {
      this.rssMiB = rssMiB
      this.during = trouble
    }
    this.files = Math.max(this.files, files)
    this.sockets = Math.max(this.sockets, sockets)
  }
}
