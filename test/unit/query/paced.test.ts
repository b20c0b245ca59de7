/** Bodies that go on, and clients that do not keep up with them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pacedBody } from '../../../src/query/paced.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'

function opened(items: readonly Uint8Array<ArrayBuffer>[]) {
  const clock = new SimClock()
  const left = [...items]
  let made = 0
  let ends = 0
  const body = pacedBody(
    {
      next: async () => {
        made++
        return { bytes: left.shift() ?? new Uint8Array(10), isLast: false }
      },
      end: async () => void ends++,
    },
    clock,
  )
  return { clock, reader: body.getReader(), made: () => made, ends: () => ends }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('a body that goes on', () => {
  it('is made as it is taken, in pieces', async () => {
    const { reader, made } = opened([new Uint8Array(40_000).fill(7)])
    const sizes: number[] = []
    for (let n = 0; n < 4; n++) sizes.push((await reader.read()).value!.length)
    assert.deepEqual(sizes, [16_384, 16_384, 7_232, 10])
    await settled()
    assert.equal(made(), 2)
  })

  it('lets go of who takes too long for a piece, and of nobody who waits for one', async () => {
    const { clock, reader, ends } = opened([new Uint8Array(40_000)])
    for (let n = 0; n < 3; n++) {
      assert.equal((await reader.read()).done, false)
      // Short of the time.
      clock.after(29_000, () => undefined)
      clock.next()!()
      await settled()
      assert.equal(ends(), 0)
    }
    clock.next()!()
    await settled()
    assert.deepEqual([clock.monotonic(), ends()], [88_000, 1])
    assert.equal((await reader.read()).done, true)
  })

  it('ends when its client leaves, and holds no timer then', async () => {
    const { clock, reader, ends } = opened([])
    await reader.read()
    await reader.cancel()
    assert.equal(ends(), 1)
    assert.equal(clock.next(), undefined)
  })

  it('ends behind what is last', async () => {
    const clock = new SimClock()
    const last = async () => ({ bytes: new Uint8Array(20_000), isLast: true })
    const body = pacedBody({ next: last, end: async () => assert.fail() }, clock)
    const pieces = await Array.fromAsync(body)
    assert.deepEqual(
      pieces.map(({ length }) => length),
      [16_384, 3_616],
    )
    assert.equal(clock.next(), undefined)
  })
})
