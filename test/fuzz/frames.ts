/** Requests to begin with: real ones of four clients, and for every API in every version one made up. */
import fc from 'fast-check'
import { concatBytes } from '../../src/base/bytes.ts'
import { apiNames, apis, type ApiName } from '../../src/protocol/api.ts'
import { encodeRequest } from '../../src/protocol/frame.ts'
import { goldenFiles, goldenFramesOf } from '../golden-frames.ts'
import { valueOf } from '../unit/protocol/arbitrary.ts'

export interface Frame {
  /** For people: `Metadata 6 of java.hex`. */
  readonly name: string
  /** Without its length. */
  readonly bytes: Uint8Array
}

/** Every request there is to mutate; the same ones for a seed. */
export function requestFrames(seed: number): readonly Frame[] {
  const real = goldenFiles.flatMap((file) =>
    goldenFramesOf(file)
      .filter(({ side }) => side === '>')
      .map(({ api, version, frame }) => ({ name: `${api} ${version} of ${file}`, bytes: frame })),
  )
  return [...real, ...apiNames.flatMap((api) => madeUp(api, seed))]
}

function madeUp(api: ApiName, seed: number): Frame[] {
  const [first, last] = apis[api].versions
  const versions = Array.from({ length: last - first + 1 }, (_, at) => first + at)
  return versions.map((version) => {
    const [body] = fc.sample(valueOf(apis[api].request.shape, version), { seed, numRuns: 1 })
    const chunks = encodeRequest(api, version, 1, 'fuzz', body as object)
    return { name: `${api} ${version} made up`, bytes: concatBytes(chunks).subarray(4) }
  })
}
