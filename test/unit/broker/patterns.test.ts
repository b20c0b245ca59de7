/** Patterns of clients: what they find, and that none holds up the broker. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerDefaults } from '../../../src/broker/config.ts'
import { patternOf } from '../../../src/broker/handlers/patterns.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { openBroker } from './open-broker.ts'

const bounds = { patternLengthMax: 20, patternInstructionsMax: 40 }

test('a pattern that JavaScript would try for hours is answered at once, and others meanwhile', async () => {
  const open = await openBroker()
  const client = await open.client()
  const long = 'a'.repeat(200)
  for (const transactionalId of [long, 'orders-1', 'orders-12']) {
    await client.ask('InitProducerId', 4, { transactionalId, transactionTimeoutMs: 60_000 })
  }
  const list = async (transactionalIdPattern: string) => {
    const listed = await client.ask('ListTransactions', 2, { transactionalIdPattern })
    const ids = listed.transactionStates.map(({ transactionalId }) => transactionalId)
    return { errorCode: listed.errorCode, ids: ids.toSorted() }
  }
  const nothing = { errorCode: ErrorCode.NONE, ids: [] }
  assert.deepEqual(await list('.*.*.*.*.*.*.*x'), nothing)
  assert.deepEqual(await list('(a+)+b'), nothing)
  assert.deepEqual((await list('orders-\\d')).ids, ['orders-1'])
  assert.deepEqual((await list('(orders-|a+)+\\d*')).ids, [long, 'orders-1', 'orders-12'])
  assert.deepEqual((await list('')).ids, [long, 'orders-1', 'orders-12'])
  const invalid = { errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION, ids: [] }
  assert.deepEqual(await list('('), invalid)
  assert.deepEqual(await list('(a)\\1'), invalid)
  assert.deepEqual(await list(`.{0,${brokerDefaults.patternInstructionsMax}}`), invalid)
  assert.deepEqual(await list('a'.repeat(brokerDefaults.patternLengthMax + 1)), invalid)
  await open.broker.close()
})

test('a pattern is refused that is too long to be read, or becomes too long a program', async () => {
  assert(await patternOf('[abcdefghijklmnopqr]', bounds))
  assert.equal(await patternOf('[abcdefghijklmnopqrs]', bounds), undefined)
  assert(await patternOf('a{30}', bounds))
  assert.equal(await patternOf('a{41}', bounds), undefined)
})

test('many ids are matched in turns', async () => {
  let turns = 0
  const clock = {
    now: () => nodeClock.now(),
    monotonic: () => nodeClock.monotonic(),
    after: (ms: number, callback: () => void) => nodeClock.after(ms, callback),
    soon: (callback: () => void) => {
      turns++
      nodeClock.soon(callback)
    },
  }
  const open = await openBroker({ clock, config: { turnItems: 20 } })
  const client = await open.client()
  for (let at = 0; at < 200; at++) {
    const transactionalId = `${at}`
    await client.ask('InitProducerId', 4, { transactionalId, transactionTimeoutMs: 60_000 })
  }
  const turnsOf = async (transactionalIdPattern: string): Promise<number> => {
    const before = turns
    await client.ask('ListTransactions', 2, { transactionalIdPattern })
    return turns - before
  }
  // The answer to the second has one id: what takes turns is the look at all.
  await turnsOf('1')
  assert((await turnsOf('1')) >= 9, 'it was done in one turn')
  await open.broker.close()
})
