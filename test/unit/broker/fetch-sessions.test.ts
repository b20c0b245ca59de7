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
