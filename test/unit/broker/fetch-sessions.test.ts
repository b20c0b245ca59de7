import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FetchSessions,
  type FetchSession,
  type FetchTarget,
} from '../../../src/broker/serving/fetch-sessions.ts'
import { nodeRandom } from '../../../src/io/node-clock.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'

function target(partition: number, fetchOffset = 0): FetchTarget {
  return {
    topic: 't',
    topicId: 'id',
    partition,
    fetchOffset,
    partitionMaxBytes: 1000,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  }
}

function open(sessions: FetchSessions, partitions: number): FetchSession {
  const choice = sessions.choose(0, 0, partitions)
  assert.equal(choice.kind, 'full')
  assert.ok('session' in choice)
  choice.session.update(
    Array.from({ length: partitions }, (_, i) => target(i)),
    [],
  )
  return choice.session
}

const quiet = { errorCode: ErrorCode.NONE, highWatermark: 5, logStartOffset: 0 }

test('epoch 0 opens a session and each request after it goes up by one', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 100)
  const { id } = open(sessions, 1)
  assert.ok(id > 0)
  assert.equal(sessions.choose(id, 1, 0).kind, 'incremental')
  assert.equal(sessions.choose(id, 2, 0).kind, 'incremental')
  assert.deepEqual(sessions.choose(id, 2, 0), {
    kind: 'refused',
    errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH,
  })
})

test('after the largest epoch comes 1', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 100)
  const session = open(sessions, 1)
  session.nextEpoch = 0x7fff_ffff
  assert.equal(sessions.choose(session.id, 0x7fff_ffff, 0).kind, 'incremental')
  assert.equal(sessions.choose(session.id, 1, 0).kind, 'incremental')
})

test('a session that would remember too many partitions is refused', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 3)
  const { id } = open(sessions, 2)
  assert.equal(sessions.choose(id, 1, 1).kind, 'incremental')
  assert.deepEqual(sessions.choose(id, 2, 2), {
    kind: 'refused',
    errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
  })
})

test('sessions that grow share what all may remember, and the one unused longest makes room', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 100)
  const empty = open(sessions, 0)
  const all = [open(sessions, 0), open(sessions, 0), open(sessions, 0)]
  for (const [at, session] of all.entries()) {
    assert.equal(sessions.choose(session.id, 1, 40).kind, 'incremental')
    for (let partition = 0; partition < 40; partition++) session.update([target(partition)], [])
    assert.equal(sessions.remembered, at === 0 ? 40 : 80)
  }
  assert.equal(sessions.choose(all[0]!.id, 2, 0).kind, 'refused')
  assert.equal(sessions.choose(empty.id, 1, 0).kind, 'incremental', "it was in nobody's way")
  all[1]!.update([target(0), target(40)], [target(1), target(50)])
  assert.equal(sessions.remembered, 80, 'one came and one went')
  assert.equal(sessions.choose(all[1]!.id, -1, 0).kind, 'none')
  assert.equal(sessions.remembered, 40)
})

test('a session that alone outgrows what all may remember is forgotten', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 100)
  const { id } = open(sessions, 10)
  const session = open(sessions, 0)
  for (let partition = 0; partition <= 100; partition++) session.update([target(partition)], [])
  assert.deepEqual([sessions.size, sessions.remembered, session.targets.size], [0, 0, 101])
  session.update([target(101)], [target(0)])
  assert.equal(sessions.remembered, 0, 'what is done for it still counts no more')
  assert.equal(sessions.choose(id, 1, 0).kind, 'refused')
})

test('a request hears when the next one of its session comes, or closes it, and only then', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 100)
  const session = open(sessions, 1)
  const heard: number[] = []
  const forget = session.onSuperseded(() => heard.push(0))
  sessions.choose(session.id, 7, 0)
  assert.equal(heard.length, 0, 'that one was refused')
  sessions.choose(session.id, 1, 0)
  session.onSuperseded(() => heard.push(1))
  forget()
  sessions.choose(session.id, -1, 0)
  assert.deepEqual(heard, [0, 1])
  const another = open(sessions, 1)
  another.onSuperseded(() => heard.push(2))()
  sessions.choose(another.id, 1, 0)
  assert.deepEqual(heard, [0, 1])
})

test('an unknown session is refused, and -1 closes one and reads without', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 100)
  const { id } = open(sessions, 1)
  assert.deepEqual(sessions.choose(id, -1, 1), { kind: 'none' })
  assert.equal(sessions.size, 0)
  assert.deepEqual(sessions.choose(id, 1, 0), {
    kind: 'refused',
    errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
  })
})

test('a session goes with names or with ids', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 100)
  const { id } = open(sessions, 1)
  assert.deepEqual(sessions.choose(id, 1, 1, true), {
    kind: 'refused',
    errorCode: ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
  })
})

test('the session unused longest makes room', () => {
  const sessions = new FetchSessions(nodeRandom, 2, 100)
  const first = open(sessions, 1)
  const second = open(sessions, 1)
  assert.equal(sessions.choose(first.id, 1, 0).kind, 'incremental')
  open(sessions, 1)
  assert.equal(sessions.size, 2)
  assert.equal(sessions.choose(second.id, 1, 0).kind, 'refused')
  assert.equal(sessions.choose(first.id, 2, 0).kind, 'incremental')
})

test('a request with more partitions than all sessions may remember runs without one', () => {
  const sessions = new FetchSessions(nodeRandom, 10, 5)
  assert.equal(sessions.choose(0, 0, 6).kind, 'none')
  const { id } = open(sessions, 4)
  assert.equal(sessions.choose(id, 1, 2).kind, 'refused')
})

test('a partition is reported once, and again when something about it changed', () => {
  const session = open(new FetchSessions(nodeRandom, 10, 100), 1)
  assert.equal(session.hasNews(target(0), quiet, 0), true)
  assert.equal(session.hasNews(target(0), quiet, 0), false)
  assert.equal(session.hasNews(target(0), quiet, 100), true)
  assert.equal(session.hasNews(target(0), { ...quiet, highWatermark: 6 }, 0), true)
  assert.equal(session.hasNews(target(0), { ...quiet, highWatermark: 6 }, 0), false)
  assert.equal(session.hasNews(target(0), { ...quiet, errorCode: 3 }, 0), true)
  assert.equal(session.hasNews(target(0), { ...quiet, errorCode: 3 }, 0), true)
})

test('a partition that gave records is served last the next time', () => {
  const session = open(new FetchSessions(nodeRandom, 10, 100), 3)
  session.hasNews(target(0), quiet, 10)
  const order = Array.from(session.targets.values(), (each) => each.target.partition)
  assert.deepEqual(order, [1, 2, 0])
})

test('an update changes, adds and forgets', () => {
  const session = open(new FetchSessions(nodeRandom, 10, 100), 2)
  session.update([target(1, 7), target(2)], [target(0)])
  const offsets = Array.from(session.targets.values(), (each) => [
    each.target.partition,
    each.target.fetchOffset,
  ])
  assert.deepEqual(offsets, [
    [1, 7],
    [2, 0],
  ])
})
