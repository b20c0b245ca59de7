/** Reads entries out of a jar: a zip archive, whose directory is at its end (PKWARE APPNOTE 4.3). */
import { readFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'

const endSignature = 0x06054b50
const endBytes = 22
const entryBytes = 46
const localBytes = 30

/** The files of `path` whose names `wanted` accepts, with their contents as text. */
export function readJar(path: string, wanted: (name: string) => boolean): Map<string, string> {
  const jar = readFileSync(path)
  const end = jar.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]))
  if (end < 0 || jar.readUInt32LE(end) !== endSignature || jar.length < end + endBytes) {
    throw new Error(`${path} is not a zip archive`)
  }
  const files = new Map<string, string>()
  let at = jar.readUInt32LE(end + 16)
  for (let left = jar.readUInt16LE(end + 10); left > 0; left--) {
    const nameBytes = jar.readUInt16LE(at + 28)
    const name = jar.toString('utf8', at + entryBytes, at + entryBytes + nameBytes)
    if (wanted(name)) files.set(name, contentOf(jar, at))
    at += entryBytes + nameBytes + jar.readUInt16LE(at + 30) + jar.readUInt16LE(at + 32)
  }
  return files
}

function contentOf(jar: Buffer, entry: number): string {
  const local = jar.readUInt32LE(entry + 42)
  const start = local + localBytes + jar.readUInt16LE(local + 26) + jar.readUInt16LE(local + 28)
  const stored = jar.subarray(start, start + jar.readUInt32LE(entry + 20))
  const isDeflated = jar.readUInt16LE(entry + 10) === 8
  return (isDeflated ? inflateRawSync(stored) : stored).toString('utf8')
}
