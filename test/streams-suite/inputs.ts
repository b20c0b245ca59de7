/** Sources outside the broker: what they hold becomes events once, whoever reads and whatever breaks. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeadwaterError } from '../../src/base/errors.ts'
import { service } from '../../src/service/service.ts'
import { Payments } from '../types/shop.ts'
import { BreakingDial } from './faults.ts'
import type { OpenPlace, Place } from './place.ts'
import { inPlace, runThrough, start, values } from './place.ts'

const rowsPerBatch = 50

export function inputsSuite(open: OpenPlace, o: { crashes: number }): void {
  describe('an input', () => {
    it('is written whole, and goes on behind what was written when it has grown', () =>
      inPlace(open, async (place) => {
        await runThrough(place, bank(430))
        await assertPaid(place, 430)
        await runThrough(place, bank(430))
        await assertPaid(place, 430)
        await using running = await start(place, bank(1000))
        await running.caughtUp()
        assert.deepEqual(running.stats().inputs, { rows: { records: 1000, done: true } })
        await running.close()
        await assertPaid(place, 1000)
      }))

    it('counts its events, and no batch that has none', () =>
      inPlace(open, async (place) => {
        const sparse = service('billing', {
          reads: [],
          writes: [Payments],
          topology: (s) => {
            s.input('rows', Payments, async function* () {
              yield { events: [], position: 1 }
              yield { events: [payment('o1')], position: 2 }
              yield { events: [], position: 3 }
            })
            return {}
          },
        })
        await using running = await start(place, sparse)
        await running.caughtUp()
        const { recordsIn, recordsOut, inputs } = running.stats()
        assert.deepEqual([recordsIn, recordsOut, inputs['rows']?.records], [1, 1, 1])
      }))

    it('is written once after a crash at any write to the broker', async () => {
      let total = 0
      await inPlace(open, async (place) => {
        const dial = new BreakingDial(place.broker.dial, Infinity)
        await runThrough(behind(place, dial), bank(1000, 1))
        total = dial.writes
      })
      const step = Math.max(1, Math.floor(total / o.crashes))
      for (let breakAt = 1 + Math.floor(step / 2); breakAt <= total; breakAt += step) {
        await inPlace(open, async (place) => {
          const dial = new BreakingDial(place.broker.dial, breakAt)
          const life = runThrough(behind(place, dial), bank(1000, 1))
          life.catch(() => undefined)
          await Promise.race([dial.broken, life])
          await runThrough(place, bank(1000))
          await assertPaid(place, 1000).catch((cause: unknown) => {
            throw new Error(`after a crash at write ${breakAt} of ${total}`, { cause })
          })
        })
      }
    })

    it('is read by one instance, and by the other when that one goes', () =>
      inPlace(open, async (place) => {
        await using first = await start(place, bank(1000, 150), { instanceId: 'a' })
        await using second = await start(place, bank(1000, 150), { instanceId: 'b' })
        const reading = (): number =>
          [first, second].filter((each) => 'rows' in each.stats().inputs).length
        while (reading() === 0) await delay(20)
        assert.equal(reading(), 1)
        await first.close()
        while (second.stats().inputs['rows']?.done !== true) await delay(20)
        await second.close()
        await assertPaid(place, 1000)
      }))

    it('in splits is read by all instances, and all of it by the one that is left', () =>
      inPlace(open, async (place) => {
        const splits = 5
        const times = { commitIntervalMs: 20 }
        const branches = (): ReturnType<typeof bank> => bank(500, 150, splits)
        const first = await start(place, branches(), { instanceId: 'a', ...times })
        await using second = await start(place, branches(), { instanceId: 'b', ...times })
        const readBy = (each: typeof first) => each.stats().assignment?.inputs ?? []
        const shares = (): number[] => [first, second].map((each) => readBy(each).length)
        while (!shares().every((share) => share === 2 || share === 3)) await delay(5)
        assert.deepEqual(
          [...readBy(first), ...readBy(second)].toSorted(),
          Array.from({ length: splits }, (_, split) => `rows/${split}`),
        )
        await first.close()
        while (readBy(second).length < splits) await delay(5)
        await second.caughtUp()
        const records = splits * 500
        assert.deepEqual(second.stats().inputs, { rows: { records, done: true } })
        await second.close()
        await assertPaid(place, records)
      }))

    it('in splits goes on in each where it was, and in no other number of them', () =>
      inPlace(open, async (place) => {
        await runThrough(place, bank(100, 0, 3))
        await runThrough(place, bank(200, 0, 3))
        await assertPaid(place, 600)
        for (const splits of [1, 2, 4]) {
          await assert.rejects(start(place, bank(200, 0, splits)), (error: Error) => {
            assert(isHeadwaterError(error, 'state-mismatch'), String(error))
            const { message } = error
            const why = `holds the positions of 3 splits, but service 'billing' reads the input in ${splits}`
            assert.ok(message.includes(why), message)
            assert.ok(message.includes('declare `splits: 3`'), message)
            return true
          })
        }
        await runThrough(place, bank(201, 0, 3))
        await assertPaid(place, 603)
      }))

    it('that fails in a split says in which', () =>
      inPlace(open, async (place) => {
        const failing = service('billing', {
          reads: [],
          writes: [Payments],
          topology: (s) => {
            const read = async function* (_position: number | undefined, split: number) {
              if (split === 1) throw new RangeError('the file ends early')
              yield { events: [payment('o1')], position: 1 }
            }
            s.input('rows', Payments, read, { splits: 2 })
            return {}
          },
        })
        const failed = start(place, failing).then((running) => running.failed)
        await assert.rejects(failed, {
          message: /input 'rows\/1' of service 'billing' threw: the file ends early/,
        })
      }))

    it('that fails stops its service, which says where', () =>
      inPlace(open, async (place) => {
        const failing = service('billing', {
          reads: [],
          writes: [Payments],
          topology: (s) => {
            s.input('rows', Payments, async function* () {
              yield { events: [payment('o1')], position: 1 }
              throw new RangeError('the file ends early')
            })
            return {}
          },
        })
        await using running = await start(place, failing)
        await assert.rejects(
          running.failed,
          (error: Error) =>
            isHeadwaterError(error, 'operator-failed') &&
            /input 'rows' of service 'billing' threw: the file ends early/.test(error.message),
        )
        assert.equal(running.stats().state, 'failed')
        await running.close()
      }))

    it('that throws where it should reject stops its service as well, which says where', () =>
      inPlace(open, async (place) => {
        const next = (): never => {
          throw new RangeError('not now')
        }
        const failing = service('billing', {
          reads: [],
          writes: [Payments],
          topology: (s) => {
            s.input('rows', Payments, () => ({ [Symbol.asyncIterator]: () => ({ next }) }))
            return {}
          },
        })
        const running = start(place, failing).then(({ failed }) => failed)
        await assert.rejects(running, {
          code: 'operator-failed',
          message: /input 'rows' of service 'billing' threw: not now/,
        })
      }))
  })
}

function payment(orderId: string, amount = 0) {
  return { paymentId: 'p', orderId, amount, status: 'CAPTURED', paidAt: 1n }
}

/**
 * Yields `rows` rows of each split as payments, with a pause before each batch. The amounts of all splits are
 * numbers from 0 on, each once.
 */
function bank(rows: number, pauseMs = 0, splits = 1) {
  return service('billing', {
    reads: [],
    writes: [Payments],
    topology: (s) => {
      const read = async function* (position: number = 0, split: number) {
        for (let from = position; from < rows; from += rowsPerBatch) {
          if (pauseMs > 0) await delay(pauseMs)
          const to = Math.min(rows, from + rowsPerBatch)
          const events = Array.from({ length: to - from }, (_, i) => {
            const amount = (from + i) * splits + split
            return payment(`o${amount % 11}`, amount)
          })
          yield { events, position: to }
        }
      }
      s.input('rows', Payments, read, { splits })
      return {}
    },
  })
}

async function assertPaid(place: Place, rows: number): Promise<void> {
  const paid = (await values(place, Payments)).map(({ amount }) => amount)
  const expected = Array.from({ length: rows }, (_, row) => row)
  assert.deepEqual(
    paid.toSorted((a, b) => a - b),
    expected,
  )
}

function behind(place: Place, { dial }: BreakingDial): Place {
  return { ...place, broker: { ...place.broker, dial } }
}
