import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import { HeadwaterError } from '../../../src/base/errors.ts'
import type { Answer, Begun } from '../../../src/broker/server/answer.ts'
import { connect, frameOf } from './one-connection.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A frame with one byte in it. */
const frame = (value: number): Uint8Array => frameOf(value)

test('answers leave in the order of the requests, whatever order they are ready in', async () => {
  const slow = Promise.withResolvers<Answer>()
  const { duplex, received } = connect((value) =>
    value === 1 ? slow.promise : [Uint8Array.of(value)],
  )
  duplex.write([frame(1), frame(2), frame(3)])
  await turn()
  assert.deepEqual(received, [])
  slow.resolve([Uint8Array.of(1)])
  await turn()
  assert.deepEqual(received, [1, 2, 3])
})

test('nothing begins behind a request that takes turns to begin', async () => {
  const long = Promise.withResolvers<Begun>()
  const slow = Promise.withResolvers<Answer>()
  const begun: number[] = []
  const { duplex, received } = connect((value) => {
    begun.push(value)
    return value === 1 ? { begun: long.promise } : [Uint8Array.of(value)]
  })
  duplex.write([frame(1), frame(2)])
  await turn()
  duplex.write([frame(3)])
  await turn()
  assert.deepEqual(begun, [1])
  long.resolve({ answer: slow.promise })
  await turn()
  assert.deepEqual(begun, [1, 2, 3])
  assert.deepEqual(received, [])
  slow.resolve([Uint8Array.of(1)])
  await turn()
  assert.deepEqual(received, [1, 2, 3])
})

test('a request that took turns to begin may be answered at once, and the next begins', async () => {
  const { duplex, received } = connect((value) => ({
    begun: turn().then(() => ({ answer: [Uint8Array.of(value)] })),
  }))
  duplex.write([frame(1), frame(2), frame(3)])
  for (let i = 0; i < 8; i++) await turn()
  assert.deepEqual(received, [1, 2, 3])
})

test('a request that fails while it begins closes the connection, and nothing after it begins', async () => {
  const begun: number[] = []
  const { duplex, closed } = connect((value) => {
    begun.push(value)
    return { begun: Promise.reject(new HeadwaterError('frame-invalid', 'no message')) }
  })
  duplex.write([frame(1), frame(2)])
  await turn()
  assert.deepEqual(begun, [1])
  assert.deepEqual(closed, ['no message'])
})

test('a request that wants no answer gets none and holds nobody up', async () => {
  const { duplex, received } = connect((value) =>
    value === 1 ? undefined : [Uint8Array.of(value)],
  )
  duplex.write([frame(1), frame(2)])
  await turn()
  assert.deepEqual(received, [2])
})

test('no more requests are begun than the bound allows, and the rest follow', async () => {
  const waiting: ((answer: Answer) => void)[] = []
  const { duplex, received } = connect(
    (value) => new Promise((resolve) => waiting.push(() => resolve([Uint8Array.of(value)]))),
    { requestsInFlightMax: 2 },
  )
  duplex.write([1, 2, 3, 4, 5].map(frame))
  await turn()
  assert.equal(waiting.length, 2)
  while (waiting.length > 0) {
    for (const release of waiting.splice(0)) release(undefined)
    await turn()
    await turn()
    assert.ok(waiting.length <= 2)
  }
  assert.deepEqual(received, [1, 2, 3, 4, 5])
})

test('no more bytes of requests are begun than the bound allows, and one frame', async () => {
  const release = Promise.withResolvers<Answer>()
  let begun = 0
  const { duplex } = connect(
    () => {
      begun++
      return release.promise
    },
    { requestsInFlightMax: 100, requestBytesInFlightMax: 250 },
  )
  const hundred = new Uint8Array(104)
  hundred[3] = 100
  for (let i = 0; i < 10; i++) duplex.write([hundred.slice()])
  await turn()
  await turn()
  assert.equal(begun, 3)
  release.resolve(undefined)
  await turn()
  await turn()
  assert.equal(begun, 10)
})

test('a client that does not read its answers gets no more of them made', async () => {
  let begun = 0
  const { duplex } = connect(
    () => {
      begun++
      return [new Uint8Array(100)]
    },
    { pipe: { bufferBytesMax: 150 } },
  )
  duplex.pause()
  for (let i = 0; i < 50; i++) {
    duplex.write([frame(i)])
    await turn()
  }
  assert.ok(begun <= 3, `${begun} requests were begun for a client that reads nothing`)
  duplex.resume()
  for (let i = 0; i < 200 && begun < 50; i++) await turn()
  assert.equal(begun, 50)
})

test('nor when all it asks for came in one piece', async () => {
  let begun = 0
  const { duplex } = connect(
    () => {
      begun++
      return [new Uint8Array(100)]
    },
    { requestsInFlightMax: 2, pipe: { bufferBytesMax: 150 } },
  )
  duplex.pause()
  duplex.write([concatBytes(Array.from({ length: 50 }, (_, i) => frame(i)))])
  await turn()
  await turn()
  assert.equal(begun, 2)
  duplex.resume()
  while (begun < 50) await turn()
})

test('a client that never reads its answers is given up', async () => {
  const { duplex, closed } = connect(() => [new Uint8Array(100)], {
    pipe: { bufferBytesMax: 10 },
    stallMsMax: 20,
  })
  duplex.pause()
  duplex.write([frame(1)])
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.match(closed[0] ?? '', /unread for 20 ms/)
})

test('a frame that announces too much closes the connection with a reason', async () => {
  const { duplex, closed } = connect(() => [])
  duplex.write([Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1, 2, 3)])
  await turn()
  assert.equal(closed.length, 1)
  assert.match(closed[0] ?? '', /announces 2147483647 bytes/)
})

test('half a frame and a hang-up is a close like any other', async () => {
  const { duplex, closed } = connect(() => [])
  duplex.write([Uint8Array.of(0, 0, 0, 9, 1, 2)])
  duplex.close()
  await turn()
  await turn()
  assert.deepEqual(closed, [undefined])
})

test('what a handler throws or rejects with closes the connection and is reported', async () => {
  for (const late of [false, true]) {
    const { duplex, closed } = connect(() => {
      const error = new HeadwaterError('frame-invalid', 'the message ends early')
      if (!late) throw error
      return Promise.reject(error)
    })
    duplex.write([frame(1)])
    await turn()
    assert.deepEqual(closed, ['the message ends early'])
  }
})

test('whoever waits for a client hears that it is gone', async () => {
  const { duplex, connection } = connect(() => undefined)
  const gone: string[] = []
  connection.onGone(() => gone.push('first'))
  const off = connection.onGone(() => gone.push('second'))
  off()
  duplex.destroy()
  await turn()
  assert.deepEqual(gone, ['first'])
})
