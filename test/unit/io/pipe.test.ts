import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8Bytes, utf8String } from '../../../src/base/bytes.ts'
import { pipe } from '../../../src/io/pipe.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('bytes arrive in order, by reference, and not inside the call that wrote them', async () => {
  const [a, b] = pipe()
  const seen: Uint8Array[] = []
  b.onBytes((chunk) => seen.push(chunk))
  const first = utf8Bytes('one')
  a.write([first, utf8Bytes('two')])
  a.write([utf8Bytes('three')])
  assert.equal(seen.length, 0)
  await turn()
  assert.deepEqual(seen.map(utf8String), ['one', 'two', 'three'])
  assert.equal(seen[0], first)
})

test('bytes written before there is a reader wait for it', async () => {
  const [a, b] = pipe()
  a.write([utf8Bytes('early')])
  await turn()
  const seen: string[] = []
  b.onBytes((chunk) => seen.push(utf8String(chunk)))
  await turn()
  assert.deepEqual(seen, ['early'])
})

test('a reader that pauses in the middle gets the rest when it resumes', async () => {
  const [a, b] = pipe()
  const seen: string[] = []
  b.onBytes((chunk) => {
    seen.push(utf8String(chunk))
    if (seen.length === 1) b.pause()
  })
  a.write([utf8Bytes('1'), utf8Bytes('2'), utf8Bytes('3')])
  await turn()
  assert.deepEqual(seen, ['1'])
  a.write([utf8Bytes('4')])
  b.resume()
  await turn()
  assert.deepEqual(seen, ['1', '2', '3', '4'])
})

test('a writer is held back by a slow reader and let go when it has read', async () => {
  const [a, b] = pipe({ bufferBytesMax: 4 })
  let read = 0
  b.onBytes((chunk) => (read += chunk.length))
  b.pause()
  assert.equal(a.write([new Uint8Array(4)]), true)
  assert.equal(a.write([new Uint8Array(4)]), false)
  let drained = false
  const waiting = a.drained().then(() => (drained = true))
  await turn()
  assert.equal(drained, false)
  b.resume()
  await waiting
  assert.equal(read, 8)
})

test('a close arrives after what was written, on both ends and without an error', async () => {
  const [a, b] = pipe()
  const seen: string[] = []
  b.onBytes((chunk) => seen.push(utf8String(chunk)))
  b.onClose((error) => seen.push(`b closed ${error?.message ?? 'well'}`))
  a.onClose((error) => seen.push(`a closed ${error?.message ?? 'well'}`))
  a.write([utf8Bytes('last words')])
  a.close()
  await turn()
  await turn()
  assert.deepEqual(seen.toSorted(), ['a closed well', 'b closed well', 'last words'])
  assert.ok(seen.indexOf('last words') < seen.indexOf('b closed well'))
})

test('a destroy drops what is on the way and tells the other end why', async () => {
  const [a, b] = pipe()
  const seen: string[] = []
  b.onBytes((chunk) => seen.push(utf8String(chunk)))
  b.onClose((error) => seen.push(error === undefined ? 'well' : 'destroyed'))
  a.write([utf8Bytes('lost')])
  a.destroy()
  await turn()
  assert.deepEqual(seen, ['destroyed'])
  assert.equal(a.write([utf8Bytes('nothing')]), true)
  await a.drained()
})

test('a waiting writer is let go when the reader goes away', async () => {
  const [a, b] = pipe({ bufferBytesMax: 1 })
  b.onBytes(() => {})
  b.pause()
  assert.equal(a.write([new Uint8Array(9)]), false)
  const waiting = a.drained()
  b.close()
  await waiting
})
