/** The frames in test/golden: what clients and a broker we did not write have sent each other. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ApiName } from '../src/protocol/api.ts'

const golden = join(import.meta.dirname, 'golden')

export interface GoldenFrame {
  /** `>` a request, `<` a response. */
  readonly side: string
  readonly api: ApiName
  readonly version: number
  /** Without its length. */
  readonly frame: Uint8Array
}

export const goldenFiles: readonly string[] = readdirSync(golden).toSorted()

export function goldenFramesOf(file: string): GoldenFrame[] {
  const sections = readFileSync(join(golden, file), 'utf8').split('\n\n').slice(1)
  return sections.map((section) => {
    const [head, ...lines] = section.trim().split('\n')
    const [side, api, version] = head!.split(' ')
    const frame = Uint8Array.from(Buffer.from(lines.join(''), 'hex'))
    return { side: side!, api: api as ApiName, version: Number(version), frame }
  })
}
