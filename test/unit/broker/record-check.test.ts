/** When records are looked at: what a turn may do, and what goes on in between. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordCheck, type Looked } from '../../../src/broker/serving/record-check.ts'
import { checkBatch, readBatchHeader, type Compression } from '../../../src/records/batch.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'

const rules = { keyed: false, oldest: -Infinity, newest: Infinity, recordBytesMax: Infinity }
const bounds = { unfoldedBytesMax: 64_000_000, recordErrorsMax: 10 }

function batchOf(records: number, valueBytes: number, compression: Compression): Uint8Array {
  const builder = new BatchBuilder()
  const value = new Uint8Array(valueBytes)
  for (let at = 0; at < records; at++) builder.append(1000 + at, null, value)
  return builder.finish({ compression })
}

/** A check whose turns are taken one by one. */
class Turns {
  readonly clock = new SimClock()
  readonly check = new RecordCheck(this.clock, bounds)

  look(batch: Uint8Array, party: object = this): Looked | Promise<Looked> {
    return this.check.look(batch, readBatchHeader(batch), rules, party)
  }

  /** How many callbacks come until it is there; what runs on other threads is waited for between them. */
  async turnsUntil(looked: unknown): Promise<number> {
    let isThere = false
    void Promise.resolve(looked).then(() => (isThere = true))
    for (let turns = 0; ; turns++) {
      const callback = await this.#nextCallback(() => isThere)
      if (callback === undefined) return turns
      callback()
    }
  }

  async #nextCallback(isOver: () => boolean): Promise<(() => void) | undefined> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      if (isOver()) return undefined
      const callback = this.clock.next()
      if (callback !== undefined) return callback
    }
  }
}

async function withTurns(turns: Turns, batch: Uint8Array): Promise<number | undefined> {
  const summing = turns.check.sum(batch, {})
  await turns.turnsUntil(summing)
  return summing
}

describe('records', () => {
  it('are looked at where they come, until the turn has done enough', async () => {
    const turns = new Turns()
    const batch = batchOf(900, 1000, 'none')
    const looked = Array.from({ length: 30 }, () => turns.look(batch))
    const atOnce = looked.filter((each) => !(each instanceof Promise)).length
    assert.ok(atOnce >= 4 && atOnce <= 16, `${atOnce} at once`)
    const needed = await turns.turnsUntil(looked.at(-1)!)
    assert.ok(needed >= 2, `${needed} turns`)
    for (const each of looked) assert.equal((await each).fault, undefined)
  })

  for (const compression of ['gzip', 'zstd', 'lz4', 'snappy'] as const) {
    it(`that unfold to much are looked at in several turns (${compression})`, async () => {
      const turns = new Turns()
      const batch = batchOf(300_000, 20, compression)
      const looking = turns.look(batch)
      assert.ok(looking instanceof Promise)
      const needed = await turns.turnsUntil(looking)
      assert.ok(needed >= 3, `${needed} turns`)
      const { fault, maxTimestamp, isTooLarge } = await looking
      assert.deepEqual([fault, maxTimestamp, isTooLarge], [undefined, 300_999, false])
    })
  }

  it('of large batches are summed up in several turns', async () => {
    const turns = new Turns()
    const batch = batchOf(1, 40_000_000, 'none')
    const summing = turns.check.sum(batch, {})
    assert.ok(summing !== undefined)
    const needed = await turns.turnsUntil(summing)
    assert.ok(needed >= 4, `${needed} turns`)
    assert.equal(checkBatch(batch, 0, await summing), undefined)
    batch[20_000_000]! ^= 1
    assert.equal(checkBatch(batch, 0, await withTurns(turns, batch)), 'bad-crc')
    assert.equal(turns.check.sum(batchOf(1, 1_000_000, 'none'), {}), undefined)
  })

  it('of more than one large batch are looked at one batch after the other', async () => {
    const turns = new Turns()
    const done: number[] = []
    const sizes = [40_000_000, 2_000_000, 2_000_000]
    const looking = sizes.map(async (bytes, at) => {
      await turns.look(batchOf(1, bytes, 'zstd'))
      done.push(at)
    })
    await turns.turnsUntil(Promise.all(looking))
    assert.deepEqual(done, [0, 1, 2])
  })

  it('of large batches of one peer let those of another through in between', async () => {
    const turns = new Turns()
    const done: string[] = []
    const other = {}
    const look = async (name: string, party?: object) => {
      await turns.look(batchOf(1, 2_000_000, 'zstd'), party)
      done.push(name)
    }
    const looking = ['a', 'b', 'c', 'd'].map((name) => look(name))
    looking.push(look('of the other', other))
    await turns.turnsUntil(Promise.all(looking))
    assert.deepEqual(done, ['a', 'b', 'of the other', 'c', 'd'])
  })

  it('that are small do not wait for a large batch of somebody else', async () => {
    const turns = new Turns()
    let isDone = false
    const looking = Promise.resolve(turns.look(batchOf(1, 40_000_000, 'gzip'))).then(
      () => (isDone = true),
    )
    const small = turns.look(batchOf(10, 100, 'zstd'))
    assert.ok(!(small instanceof Promise))
    assert.equal(isDone, false)
    await turns.turnsUntil(looking)
  })

  it('in order of their peer are acted on in that order, and a failure holds nobody up', async () => {
    const { check } = new Turns()
    const acted: string[] = []
    const peer = {}
    const slow = Promise.withResolvers<void>()
    const act = (name: string) => (): string => {
      acted.push(name)
      if (name === 'second') throw new Error(name)
      return name
    }
    const first = check.inOrder(peer, () => slow.promise, act('first'))
    const second = check.inOrder(peer, () => undefined, act('second')) as Promise<string>
    const third = check.inOrder(peer, () => undefined, act('third'))
    assert.equal(
      check.inOrder({}, () => undefined, act('another peer')),
      'another peer',
    )
    slow.resolve()
    await assert.rejects(second, /second/)
    assert.deepEqual([await first, await third], ['first', 'third'])
    assert.deepEqual(acted, ['another peer', 'first', 'second', 'third'])
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(
      check.inOrder(peer, () => undefined, act('later')),
      'later',
    )
  })
})
