/** Fetch sessions (KIP-227): what is remembered between two fetches. */
import type { RequestInput } from '../../../src/protocol/api.ts'
import { batch, produce } from './batches.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

type Forgotten = NonNullable<RequestInput<'Fetch'>['forgottenTopicsData']>

interface Step {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly topic?: string
  /** Offset by partition. */
  readonly offsets?: Readonly<Record<number, number>>
  readonly forgotten?: Forgotten
  readonly version?: number
}

async function step(side: Side, { topic, offsets = {}, forgotten = [], ...o }: Step) {
  const partitions = Object.entries(offsets).map(([partition, fetchOffset]) => ({
    partition: Number(partition),
    fetchOffset,
    partitionMaxBytes: 10_000,
  }))
  const { version = 12, sessionId, sessionEpoch } = o
  return side.ask('Fetch', version, {
    maxBytes: 100_000,
    sessionId,
    sessionEpoch,
    topics: topic === undefined ? [] : [{ topic, partitions }],
    forgottenTopicsData: forgotten,
  })
}

async function opened(side: Side, version = 12) {
  const topic = await side.topic({ partitions: 3 })
  for (const partition of [0, 1]) {
    await produce(side, topic, batch(['a']), { partition, aside: true })
  }
  const offsets = { 0: 0, 1: 1, 2: 0 }
  const first = await step(side, { sessionId: 0, sessionEpoch: 0, topic, offsets, version })
  return { topic, sessionId: first.sessionId }
}

family('sessions', (rule) => {
  rule(
    'a session is opened by (0, 0), and answers only what changed from then on',
    async (side) => {
      for (const version of [7, 11, 12]) {
        const { topic, sessionId } = await opened(side, version)
        await step(side, { sessionId, sessionEpoch: 1, version })
        await step(side, { sessionId, sessionEpoch: 2, topic, offsets: { 0: 1 }, version })
        await step(side, { sessionId, sessionEpoch: 3, version })
        await produce(side, topic, batch(['b']), { partition: 2 })
        await step(side, { sessionId, sessionEpoch: 4, version })
        await step(side, { sessionId, sessionEpoch: 5, version })
      }
    },
  )

  rule('a wrong epoch is INVALID_FETCH_SESSION_EPOCH', async (side) => {
    const { sessionId } = await opened(side)
    await step(side, { sessionId, sessionEpoch: 2 })
    await step(side, { sessionId, sessionEpoch: 1 })
    await step(side, { sessionId, sessionEpoch: 1 })
    await step(side, { sessionId, sessionEpoch: 7 })
    await step(side, { sessionId, sessionEpoch: 2 })
  })

  rule('an unknown session is FETCH_SESSION_ID_NOT_FOUND', async (side) => {
    await step(side, { sessionId: 123_456_789, sessionEpoch: 1 })
    await step(side, { sessionId: 123_456_789, sessionEpoch: 5, version: 7 })
    await step(side, { sessionId: 0, sessionEpoch: 1 })
  })

  rule('(0, -1) is a fetch without a session', async (side) => {
    const topic = await side.topic()
    await step(side, { sessionId: 0, sessionEpoch: -1, topic, offsets: { 0: 0 } })
  })

  rule('a session is closed by (id, -1), which still reads', async (side) => {
    const { topic, sessionId } = await opened(side)
    await step(side, { sessionId, sessionEpoch: -1, topic, offsets: { 0: 0 } })
    await step(side, { sessionId, sessionEpoch: 1 })
  })

  rule('a session is opened anew by (id, 0), under another id', async (side) => {
    const { topic, sessionId } = await opened(side)
    const again = await step(side, { sessionId, sessionEpoch: 0, topic, offsets: { 0: 0 } })
    await step(side, { sessionId, sessionEpoch: 1 })
    await step(side, { sessionId: again.sessionId, sessionEpoch: 1 })
  })

  rule('what is forgotten is not read any more', async (side) => {
    const { topic, sessionId } = await opened(side)
    await step(side, { sessionId, sessionEpoch: 1, forgotten: [{ topic, partitions: [0] }] })
    await produce(side, topic, batch(['b']), { partition: 0 })
    await produce(side, topic, batch(['b']), { partition: 1 })
    await step(side, { sessionId, sessionEpoch: 2 })
    await step(side, { sessionId, sessionEpoch: 3, topic, offsets: { 0: 1 } })
    const unknown = [{ topic: side.called('missing'), partitions: [0] }]
    await step(side, { sessionId, sessionEpoch: 4, forgotten: unknown })
  })

  rule('errors are repeated in every answer', async (side) => {
    const { topic, sessionId } = await opened(side)
    const missing = side.called('missing')
    await step(side, { sessionId, sessionEpoch: 1, topic: missing, offsets: { 0: 0 } })
    await step(side, { sessionId, sessionEpoch: 2 })
    await step(side, { sessionId, sessionEpoch: 3, topic, offsets: { 0: 99 } })
    await step(side, { sessionId, sessionEpoch: 4 })
  })

  rule('nothing to remember opens no session', async (side) => {
    await step(side, { sessionId: 0, sessionEpoch: 0 })
  })

  rule('a session with topic ids tells what it does not know', async (side) => {
    const topic = await side.topic()
    const topicId = await side.led(topic, 1)
    const unknown = 'Dw8PDw8PDw8PDw8PDw8PDw'
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }]
    const topics = [topicId, unknown].map((id) => ({ topicId: id, partitions }))
    const { sessionId } = await side.ask('Fetch', 13, {
      maxBytes: 1000,
      sessionId: 0,
      sessionEpoch: 0,
      topics,
    })
    await side.ask('Fetch', 13, { maxBytes: 1000, sessionId, sessionEpoch: 1 })
  })

  rule('a session goes with names or with ids, not with both', async (side) => {
    const { topic, sessionId } = await opened(side)
    const topicId = await side.led(topic, 3)
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }]
    const topics = [{ topicId, partitions }]
    await side.ask('Fetch', 13, { maxBytes: 1000, sessionId, sessionEpoch: 1, topics })
  })
})
