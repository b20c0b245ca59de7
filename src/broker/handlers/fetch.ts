/**
 * Reading records: bounds, long polls, and stored bytes sent as they are.
 *
 * A fetch is answered as soon as `minBytes` can be read, something is wrong with one of its partitions (its
 * topic may be deleted while it waits), or its time is over. Whole stored batches are returned, the first one
 * even when it is larger than every limit, so that a consumer always gets on. Batches are sent as they are stored;
 * only small ones are copied, together (`chunks.ts`).
 *
 * Whoever waits is woken by the bytes that came, which are counted, not read; and holds none while it waits.
 * So a fetch reads twice at most, however many group commits it waits through. Nothing is read before there
 * is room for it, and then no more than that; a fetch that gets less than it may bring is answered with it.
 */
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { isSteps, type Steps } from '../../base/steps.ts'
import type { Handlers, RequestContext } from './context.ts'
import { areFew } from './pieces.ts'
import { Reading, sessionOf, stride, topicIdVersion } from './reading.ts'
import {
  keyOf,
  type FetchSession,
  type FetchTarget,
  type SessionChoice,
} from '../serving/fetch-sessions.ts'

type FetchRequest = RequestOf<'Fetch'>

export const fetchHandlers: Handlers = {
  Fetch: (request, context) => {
    const { topics, forgottenTopicsData } = request
    const { turns } = context
    if (!areFew(topics, 'partitions', turns)) return beginInSteps(request, context)
    if (!areFew(forgottenTopicsData, 'partitions', turns)) return beginInSteps(request, context)
    const asked: Asked = new Map()
    for (const topic of topics) for (const each of topic.partitions) ask(asked, topic, each)
    const choice = choose(asked, request, context)
    if (choice.kind === 'refused') return { errorCode: choice.errorCode }
    const forgotten = forgottenTopicsData.length === 0 ? [] : forgottenTargets(forgottenTopicsData)
    sessionOf(choice)?.update([...asked.values()], [...forgotten])
    return begin(choice, asked, request, context)
  },
}

/** As in Kafka a partition is read once a request, as it was named last, however often it is named. */
type Asked = Map<string, FetchTarget>
type AskedTopic = FetchRequest['topics'][number]

function ask(asked: Asked, { topic, topicId }: AskedTopic, each: AskedTopic['partitions'][number]) {
  const target = { ...each, topic, topicId }
  asked.set(keyOf(target), target)
}

function choose(asked: Asked, request: FetchRequest, context: RequestContext): SessionChoice {
  const { sessionId, sessionEpoch } = request
  const usesIds = context.version >= topicIdVersion
  return context.sessions.choose(sessionId, sessionEpoch, asked.size, usesIds)
}

type Response = ResponseInput<'Fetch'>

function* beginInSteps(
  request: FetchRequest,
  context: RequestContext,
): Steps<Response | Promise<Response>> {
  const asked: Asked = new Map()
  let count = 0
  for (const topic of request.topics) {
    for (const each of topic.partitions) {
      ask(asked, topic, each)
      if (++count % stride === 0) yield stride
    }
  }
  const choice = choose(asked, request, context)
  if (choice.kind === 'refused') return { errorCode: choice.errorCode }
  const session = sessionOf(choice)
  if (session !== undefined) yield* update(session, asked.values(), request)
  const begun = begin(choice, asked, request, context)
  return isSteps(begun) ? yield* begun : begun
}

/** Reads what is asked for, or what the session remembers. */
function begin(
  choice: Exclude<SessionChoice, { kind: 'refused' }>,
  asked: Asked,
  request: FetchRequest,
  context: RequestContext,
): Promise<Response> | Steps<Promise<Response>> {
  const session = sessionOf(choice)
  const reading = new Reading(choice, request, context)
  const { minBytes, maxWaitMs } = request
  const wants = { minBytes, maxWaitMs }
  const isShort = context.turns.isShort(session?.targets.size ?? asked.size)
  if (!isShort) {
    const targets = session === undefined ? asked.values() : targetsIn(session)
    return addInSteps(reading, targets, wants, context)
  }
  if (session === undefined) for (const target of asked.values()) reading.add(target)
  else for (const { target } of session.targets.values()) reading.add(target)
  return fetch(reading, wants, context)
}

/** What a fetch waits for. */
type Wants = Pick<FetchRequest, 'minBytes' | 'maxWaitMs'>

function* addInSteps(
  reading: Reading,
  targets: Iterable<FetchTarget>,
  wants: Wants,
  context: RequestContext,
): Steps<Promise<Response>> {
  let count = 0
  for (const target of targets) {
    reading.add(target)
    if (++count % stride === 0) yield stride
    if (reading.isSuperseded) break
  }
  return fetch(reading, wants, context)
}

/** The request is not among what this holds on to: it may wait for a minute, and its topics may be many. */
async function fetch(
  reading: Reading,
  wants: Wants,
  { clock, config, peer, room, waiting }: RequestContext,
): Promise<Response> {
  room.shrink(reading.heapBytes)
  let end = (): void => {}
  const forget = reading.onSuperseded(() => {
    room.shrink(reading.heapBytes)
    end()
  })
  try {
    const isFirst = room.whenFirst()
    if (isFirst !== undefined) await isFirst
    const begun = clock.monotonic()
    await reading.read(room)
    if (reading.isShort || reading.hasEnough(wants.minBytes)) return reading.response()
    const askedMs = Math.min(wants.maxWaitMs, config.fetchWaitMsMax)
    const maxWaitMs = askedMs - (clock.monotonic() - begun)
    reading.letGo(room)
    const satisfied = (): boolean => reading.hasEnough(wants.minBytes)
    const onBegun = (early: () => void): void => room.parked((end = early))
    await waiting.wait({ logs: reading.logs(), maxWaitMs, peer, satisfied, onBegun })
    if (reading.hasEnough(1)) await reading.read(room)
    return reading.response()
  } finally {
    forget?.()
  }
}

/** Tells a session what a request adds, changes and forgets. */
function* update(
  session: FetchSession,
  asked: Iterable<FetchTarget>,
  request: FetchRequest,
): Steps<void> {
  for (const target of forgottenTargets(request.forgottenTopicsData)) {
    session.update([], [target])
    yield 1
  }
  for (const target of asked) {
    session.update([target], [])
    yield 1
  }
}

/** As they are now: a request of the same session that comes meanwhile changes others. */
function targetsIn({ targets }: FetchSession): readonly FetchTarget[] {
  return Array.from(targets.values(), ({ target }) => target)
}

function* forgottenTargets(topics: FetchRequest['forgottenTopicsData']): Iterable<FetchTarget> {
  for (const { topic, topicId, partitions } of topics) {
    for (const partition of partitions) {
      yield {
        topic,
        topicId,
        partition,
        fetchOffset: 0,
        partitionMaxBytes: 0,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
      }
    }
  }
}
