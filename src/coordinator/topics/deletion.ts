/** Deleting topics, by their names or by their ids: DeleteTopics. Each is decided by itself. */
import type { Steps } from '../../base/steps.ts'
import { zeroUuid } from '../../base/units.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Input } from '../../protocol/schema.ts'
import { answer, onlyAnswer } from '../answer.ts'
import type { Call, TopicsEffect } from '../commands.ts'
import type { TopicsChange, TopicsDecision } from './changes.ts'
import { logNameOf, type TopicsState } from './state.ts'

type DeletedTopic = Input<ResponseOf<'DeleteTopics'>['responses'][number]>

/** A topic as a request names it. */
interface Named {
  readonly name: string | null
  readonly topicId: string
}

export function* deleteTopics(
  state: TopicsState,
  command: Call<'DeleteTopics'>,
): Steps<TopicsDecision> {
  const { version, request } = command
  const asked =
    version >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: zeroUuid }))
  const { counts, different } = yield* eachOnce(state, asked)
  const responses: DeletedTopic[] = []
  const names: string[] = []
  const logNames: string[] = []
  for (const each of different) {
    const topic = state.topics.get(nameOf(state, each))
    const isTwice = topic !== undefined && counts.get(topic.name)! > 1
    const fault = faultOf(each, topic?.name, isTwice)
    yield 1
    if (topic === undefined || fault !== undefined) {
      responses.push({ ...each, ...fault })
      continue
    }
    const { name, topicId, partitionCount } = topic
    responses.push({ name, topicId, errorCode: ErrorCode.NONE, errorMessage: null })
    names.push(name)
    for (let partition = 0; partition < partitionCount; partition++) {
      logNames.push(logNameOf(name, topicId, partition))
      yield 1
    }
  }
  if (names.length === 0) return onlyAnswer(command, { responses })
  const changes = names.map((name): TopicsChange => ({ type: 'topic-deleted', name }))
  const effects: TopicsEffect[] = [{ type: 'delete-logs', topics: names, logNames }]
  return { changes, replies: [answer(command, { responses })], effects }
}

/** One answer for each topic, by its id if it was asked for by that too; and how often each was. */
function* eachOnce(
  state: TopicsState,
  asked: readonly Named[],
): Steps<{ counts: ReadonlyMap<string, number>; different: Iterable<Named> }> {
  const counts = new Map<string, number>()
  const different = new Map<string, Named>()
  for (const byId of [false, true]) {
    for (const { name, topicId } of asked) {
      yield 1
      if ((name === null) !== byId) continue
      const known = nameOf(state, { name, topicId })
      counts.set(known, (counts.get(known) ?? 0) + 1)
      different.set(known || topicId, { name, topicId })
    }
  }
  return { counts, different: different.values() }
}

function nameOf(state: TopicsState, { name, topicId }: Named): string {
  return name ?? state.names.get(topicId) ?? ''
}

function faultOf(
  { name, topicId }: Named,
  known: string | undefined,
  isTwice: boolean,
): Partial<DeletedTopic> | undefined {
  const byId = name === null
  if (byId === (topicId === zeroUuid)) {
    const errorMessage = 'A topic is named either by its name or by its id'
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
  }
  if (known !== undefined && isTwice) {
    const errorMessage = `Topic '${known}' is in the request more than once`
    return { name: known, errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
  }
  if (known !== undefined) return undefined
  const errorCode = byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  return { errorCode, errorMessage: 'This server does not host this topic.' }
}
