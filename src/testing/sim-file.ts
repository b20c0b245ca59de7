/**
 * A file of the simulated disk: what reads see, what the device has for sure, and the changes between.
 *
 * A crash keeps the durable bytes and some of the changes that came later: whole, dropped, or torn in
 * sectors, in any subset, as a device does that writes in an order of its own.
 */
import type { Draw } from './seed.ts'

const sectorBytes = 512

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }

export interface Content {
  /** Its own for as long as it lives, over crashes, too, and no other's of its disk. */
  readonly id: number
  /** What reads see. */
  seen: Uint8Array
  size: number
  /** What the device has for sure. */
  durable: Uint8Array
  /** Changes since, in order. */
  pending: Change[]
}

export function newContent(id: number): Content {
  return { id, seen: new Uint8Array(0), size: 0, durable: new Uint8Array(0), pending: [] }
}

/** A sync: the changes up to `last`, which came before it began, are on the device. */
export function makeDurable(content: Content, last: Change | undefined): void {
  const count = last === undefined ? 0 : content.pending.lastIndexOf(last) + 1
  const device = newContent(content.id)
  // With the room behind it, so that a file which grows is not copied at each sync.
  device.seen = new Uint8Array(content.durable.buffer)
  device.size = content.durable.length
  for (const change of content.pending.splice(0, count)) {
    if (change.kind === 'truncate') truncate(device, change.size)
    else overwrite(device, change.bytes, change.position)
  }
  content.durable = device.seen.subarray(0, device.size)
}

/** What a crash leaves of a file. */
export function survivorOf(content: Content, draw: Draw): Content {
  const seen = content.durable.slice()
  const left: Content = { id: content.id, seen, size: seen.length, durable: seen, pending: [] }
  const keepAll = draw() < 0.2
  const keepNone = !keepAll && draw() < 0.2
  for (const change of keepNone ? [] : content.pending) {
    const luck = keepAll ? 0 : draw()
    if (change.kind === 'truncate') {
      if (luck < 0.5) truncate(left, change.size)
    } else if (luck < 0.4) {
      overwrite(left, change.bytes, change.position)
    } else if (luck < 0.8) {
      tear(left, change.bytes, change.position, draw)
    }
  }
  left.durable = left.seen.slice(0, left.size)
  return left
}

/** Writes some sectors of a write; the file may have grown over those that are missing. */
function tear(content: Content, bytes: Uint8Array, position: number, draw: Draw): void {
  const end = position + bytes.length
  for (let start = position; start < end;) {
    const next = Math.min(end, (Math.floor(start / sectorBytes) + 1) * sectorBytes)
    if (draw() < 0.5) overwrite(content, bytes.subarray(start - position, next - position), start)
    start = next
  }
}

export function overwrite(content: Content, bytes: Uint8Array, position: number): void {
  const end = position + bytes.length
  if (end > content.seen.length) {
    const larger = new Uint8Array(Math.max(end, content.seen.length * 2))
    larger.set(content.seen.subarray(0, content.size))
    content.seen = larger
  }
  content.seen.set(bytes, position)
  content.size = Math.max(content.size, end)
}

export function truncate(content: Content, size: number): void {
  const seen = new Uint8Array(size)
  seen.set(content.seen.subarray(0, Math.min(size, content.size)))
  content.seen = seen
  content.size = size
}
