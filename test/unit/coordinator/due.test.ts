/** What runs out at the same time ends over several decisions: in order, all of it, and none before its time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { GroupsCommand } from '../../../src/coordinator/commands.ts'
import { Due } from '../../../src/coordinator/due.ts'
import { groupsMachine } from '../../../src/coordinator/groups/machine.ts'
import { groupsDefaults } from '../../../src/coordinator/groups/options.ts'
import { transactionsMachine } from '../../../src/coordinator/transactions/machine.ts'
import { transactionsDefaults } from '../../../src/coordinator/transactions/options.ts'
import { Rehearsal } from './rehearsal.ts'

const asked = { version: 4, clientId: 'c', clientHost: '/' }
/** Timeouts in no order; the last two are longer than what passes. */
const timeouts = [5_000, 3_000, 9_000, 1_000, 4_000, 2_000, 60_000, 8_000, 6_000, 70_000]
const passesMs = 10_000
const order = [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 9_000]

describe('what is due', () => {
  it('is the earliest, in order, as if all of it had been sorted', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.integer({ min: 1, max: 8 }), (deadlines, max) => {
        const due = new Due<number>(max)
        for (const [at, deadlineMs] of deadlines.entries()) due.add(at, deadlineMs)
        const sorted = [...deadlines.keys()].toSorted((a, b) => deadlines[a]! - deadlines[b]!)
        assert.deepEqual(due.first(), {
          items: sorted.slice(0, max),
          isMore: deadlines.length > max,
        })
      }),
    )
  })
})

/** Gives every wake that is asked for; what each of them did. */
function wakes<Did>(
  rehearsal: { now: number; wakeAt: number | undefined },
  wake: () => Did,
): Did[] {
  const done: Did[] = []
  while (rehearsal.wakeAt !== undefined && rehearsal.wakeAt <= rehearsal.now) {
    rehearsal.wakeAt = undefined
    done.push(wake())
    assert(done.length < 100, 'it never has enough')
  }
  return done
}

describe('transactions that run out together', () => {
  it('are aborted a few at a time, in the order of their deadlines', () => {
    const machine = transactionsMachine({ ...transactionsDefaults, expiredMax: 3 })
    const rehearsal = new Rehearsal(machine, ({ timings: _timings, ...rest }) => rest)
    for (const [at, transactionTimeoutMs] of timeouts.entries()) {
      const transactionalId = `${transactionTimeoutMs}`
      const request = { transactionalId, transactionTimeoutMs, producerId: -1, producerEpoch: -1 }
      const partitions = [{ topic: 't', partition: 0 }]
      const id = { transactionalId, producerId: at, producerEpoch: 0 }
      rehearsal.run({
        ...asked,
        type: 'InitProducerId',
        token: `init-${at}`,
        request,
      })
      rehearsal.run({ ...id, type: 'enter-transaction', token: `${at}`, partitions, add: true })
    }
    rehearsal.now += passesMs
    const aborted = wakes(rehearsal, () =>
      rehearsal
        .run({ type: 'wake' })
        .effects.flatMap((effect) =>
          effect.type === 'write-markers' ? [Number(effect.transactionalId)] : [],
        ),
    )
    assert.deepEqual(aborted, [order.slice(0, 3), order.slice(3, 6), order.slice(6)])
    assert.equal(rehearsal.wakeAt, rehearsal.now - passesMs + 60_000)
  })
})

describe('groups in which something runs out together', () => {
  function withGroups(expiredMax: number) {
    const machine = groupsMachine({ ...groupsDefaults, sessionTimeoutMsMin: 1, expiredMax })
    const rehearsal = new Rehearsal(machine, ({ groups }) => groups)
    let tokens = 0
    return {
      rehearsal,
      /** A member id is given out, and nobody comes back with it. */
      issue: (groupId: string, sessionTimeoutMs: number) => {
        const token = `t${tokens++}`
        const protocols = [{ name: 'range', metadata: new Uint8Array(0) }]
        const request = {
          groupId,
          sessionTimeoutMs,
          rebalanceTimeoutMs: 60_000,
          memberId: '',
          groupInstanceId: null,
          protocolType: 'consumer',
          protocols,
          reason: null,
        }
        const call = { ...asked, type: 'JoinGroup', token, memberId: token, request }
        rehearsal.run(call as unknown as GroupsCommand)
      },
      wake: () =>
        rehearsal
          .run({ type: 'wake' })
          .changes.flatMap((change) =>
            change.type === 'member-id-dropped' ? [Number(change.groupId)] : [],
          ),
    }
  }

  it('are gone through a few at a time, in the order of their deadlines', () => {
    const { rehearsal, issue, wake } = withGroups(3)
    for (const timeoutMs of timeouts) issue(`${timeoutMs}`, timeoutMs)
    rehearsal.now += passesMs
    const dropped = wakes(rehearsal, wake)
    assert.deepEqual(dropped, [order.slice(0, 3), order.slice(3, 6), order.slice(6)])
    assert.equal(rehearsal.wakeAt, rehearsal.now - passesMs + 60_000)
    assert.equal(rehearsal.state.sessions.size, 2)
  })

  it('are fewer at a time the more members and ids they have, but at least one', () => {
    const { rehearsal, issue, wake } = withGroups(3)
    for (const [groupId, count] of [
      ['1', 2],
      ['2', 2],
      ['3', 1],
      ['4', 5],
    ] as const) {
      for (let at = 0; at < count; at++) issue(groupId, 1_000)
    }
    rehearsal.now += passesMs
    assert.deepEqual(wakes(rehearsal, wake), [
      [1, 1],
      [2, 2, 3],
      [4, 4, 4, 4, 4],
    ])
  })

  it('are forgotten a few at a time, too', () => {
    const { rehearsal } = withGroups(3)
    for (let at = 0; at < 7; at++) {
      const generation = { generationId: 1, protocolName: null, leaderId: null }
      const groupId = `g${at}`
      const machine = groupsMachine(groupsDefaults)
      const timers = {
        joinDeadlineMs: Infinity,
        syncDeadlineMs: Infinity,
        emptyDeadlineMs: 5_000,
      }
      machine.apply(rehearsal.state, { type: 'rebalance-started', groupId })
      machine.apply(rehearsal.state, { type: 'generation-formed', groupId, ...generation })
      machine.apply(rehearsal.state, { type: 'timers-set', groupId, timers })
    }
    rehearsal.now = rehearsal.wakeAt = 5_000
    const forgotten = wakes(rehearsal, () =>
      rehearsal
        .run({ type: 'wake' })
        .changes.map((change) => ('groupId' in change ? change.groupId : '')),
    )
    assert.deepEqual(forgotten, [['g0', 'g1', 'g2'], ['g3', 'g4', 'g5'], ['g6']])
    assert.equal(rehearsal.state.groups.size, 0)
  })
})
