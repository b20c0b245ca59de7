/** Looking at groups and clearing them away. Partitions that do not exist are refused here. */
import { ErrorCode } from '../../protocol/errors.ts'
import type { ResponseInput } from '../../protocol/api.ts'
import { answerBytesOf } from './answer-bytes.ts'
import { askNow, forward, once, type Handlers } from './context.ts'
import { inPlace, knownOnly } from './known.ts'
import { groupOperations } from './operations.ts'
import { different, join, piecesOf, slicesOf } from './pieces.ts'

type DescribedGroup = NonNullable<ResponseInput<'DescribeGroups'>['groups']>[number]
type DeletedGroup = NonNullable<ResponseInput<'DeleteGroups'>['results']>[number]
type DeletedTopic = NonNullable<ResponseInput<'OffsetDelete'>['topics']>[number]

export const groupAdminHandlers: Handlers = {
  ListGroups: (request, context) => {
    const filters = request.statesFilter.length + request.typesFilter.length
    if (filters > context.config.filtersMax) return { errorCode: ErrorCode.INVALID_REQUEST }
    return forward(context.groups, 'ListGroups', request, context)
  },

  *DescribeGroups(request, context) {
    const operations = request.includeAuthorizedOperations
      ? { authorizedOperations: groupOperations }
      : {}
    const groups: DescribedGroup[] = []
    let durable: Promise<void> | undefined
    for (const groupId of yield* different(request.groups)) {
      const asked = { ...request, groups: [groupId] }
      const described = askNow(context.groups, 'DescribeGroups', asked, context)
      durable = described.durable
      for (const group of described.response.groups ?? []) {
        context.room.grow(answerBytesOf(group))
        groups.push({ ...group, ...operations })
        yield 1 + (group.members?.length ?? 0)
      }
    }
    return once(durable, { groups })
  },

  *DeleteGroups(request, context) {
    const results: DeletedGroup[] = []
    let durable: Promise<void> | undefined
    const names = yield* different(request.groupsNames)
    for (const groupsNames of slicesOf([...names], context.turns.itemsMax)) {
      const deleted = askNow(context.groups, 'DeleteGroups', { groupsNames }, context)
      durable = deleted.durable
      results.push(...(deleted.response.results ?? []))
      yield groupsNames.length
    }
    return once(durable, { results })
  },

  *OffsetDelete(request, context) {
    const topics: DeletedTopic[] = []
    let durable: Promise<void> | undefined
    for (const piece of piecesOf(request.topics, 'partitions', context.turns.itemsMax)) {
      const asked = { ...request, topics: knownOnly(piece.topics, context.catalog) }
      const deleted = askNow(context.groups, 'OffsetDelete', asked, context)
      const { errorCode, topics: answers } = deleted.response
      durable = deleted.durable
      if (errorCode !== ErrorCode.NONE) return once(durable, { errorCode })
      const answered = piece.topics.map(({ name, partitions }, at) => {
        const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return { name, partitions: inPlace(partitions, answers?.[at]?.partitions, unknown) }
      })
      join(topics, answered, 'partitions', piece)
      yield piece.items
    }
    return once(durable, { errorCode: ErrorCode.NONE, topics })
  },
}
