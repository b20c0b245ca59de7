/**
 * Work grows as a request's items do, and no faster. A request of half a megabyte that takes the square of
 * its items holds everybody up for a quarter of a minute. What is measured is how work grows, not how long
 * it takes.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { TransactionsCommand } from '../../../src/coordinator/commands.ts'
import { groupsDefaults } from '../../../src/coordinator/groups/options.ts'
import { transactionsMachine } from '../../../src/coordinator/transactions/machine.ts'
import { transactionsDefaults } from '../../../src/coordinator/transactions/options.ts'
import { apiNames, apis } from '../../../src/protocol/api.ts'
import type { Shape } from '../../../src/protocol/shape.ts'
import { requestsOfManyItems } from './many/requests.ts'
import { smallWorld, type SmallWorld } from './many/small-world.ts'
import { openBroker } from './open-broker.ts'

const items = 2_000
/** Four times the items take four times the work, or sixteen times. */
const growthMax = 8
/** A measurement that something else disturbed, a compiler or a collection, is taken again. */
const triesMax = 20

describe('a request of many items', () => {
  let few: SmallWorld
  let many: SmallWorld

  before(async () => {
    const world = async (count: number): Promise<SmallWorld> => {
      const groups = { ...groupsDefaults, protocolsMax: items * 4, membersMax: items * 4 }
      // Shortening the coordinators' logs is other work, and comes when it comes.
      const config = { partitionsMax: items * 10, groups, coordinatorLogBytesMax: 1e9 }
      const opened = await openBroker({ durability: 'memory', config })
      return smallWorld(() => opened.client(), count)
    }
    few = await world(items / 4)
    many = await world(items)
  })

  for (const { api, what, send } of requestsOfManyItems) {
    it(`${api}: ${what}`, () =>
      assertLinear(
        () => send(few),
        () => send(many),
      ))
  }
})

it('a transaction that grows by one partition and one group at a time', async () => {
  const grow = (count: number): void => {
    const machine = transactionsMachine(transactionsDefaults)
    const state = machine.initial()
    const run = (command: TransactionsCommand): void => {
      const { changes } = machine.decide(state, command, { monotonicMs: 0, wallMs: 0 })
      for (const change of changes) machine.apply(state, change)
    }
    const asked = { token: '', version: 4, clientId: null, clientHost: '/' }
    const transactionalId = 't'
    run({
      ...asked,
      type: 'InitProducerId',
      request: { transactionalId, transactionTimeoutMs: 1, producerId: -1, producerEpoch: -1 },
    })
    const id = { transactionalId, producerId: 0, producerEpoch: 0 }
    for (let i = 0; i < count; i++) {
      const partitions = [{ topic: 'wide', partition: i }]
      run({ ...id, type: 'enter-transaction', token: '', partitions, groupId: `${i}`, add: true })
    }
    assert.equal(state.transactions.get(transactionalId)!.groups.size, count)
  }
  await assertLinear(
    () => grow(items / 4),
    () => grow(items),
  )
})

it('every API that takes a list is asked with a long one', () => {
  const asked = new Set(requestsOfManyItems.map(({ api }) => api))
  const withLists = apiNames.filter((name) => hasList(apis[name].request.shape))
  assert.deepEqual(
    withLists.filter((name) => !asked.has(name)),
    [],
  )
})

async function assertLinear(few: () => unknown, fourTimes: () => unknown): Promise<void> {
  // What is run for the first time is compiled on the way.
  await few()
  let least = Infinity
  let most = Infinity
  for (let tries = 0; tries < triesMax; tries++) {
    least = Math.min(least, await workOf(few))
    most = Math.min(most, await workOf(fourTimes))
    if (most < least * growthMax) return
  }
  assert.fail(`four times the items took ${(most / least).toFixed(1)} times the work`)
}

/** Time of the processor, in microseconds. */
async function workOf(run: () => unknown): Promise<number> {
  const from = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(from)
  return user + system
}

function hasList(shape: Shape): boolean {
  if (shape.kind === 'array') return true
  if (shape.kind === 'nullable') return hasList(shape.of)
  if (shape.kind !== 'struct') return false
  return Object.values(shape.members).some((member) => hasList(member.shape))
}
