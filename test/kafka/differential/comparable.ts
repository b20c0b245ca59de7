/**
 * Answers of two brokers made comparable, field by field.
 *
 * What must differ (ids, addresses, clocks, words) is replaced by what it stands for: the second producer
 * id of a scenario is `producerId#2` on both sides, so that ids are still compared with each other. Records
 * are shown as the headers of their batches. Lists that Kafka fills from hash tables are put in order.
 * Everything else is compared as it is.
 */
import { zeroUuid } from '../../../src/base/units.ts'
import { ErrorCode, errorName } from '../../../src/protocol/errors.ts'
import { isControl, readBatchHeader, splitBatches } from '../../../src/records/batch.ts'
import { controlKind } from '../../../src/records/record.ts'

/** One thing one side saw, under a label. */
export interface Seen {
  readonly label: string
  readonly value: unknown
}

/** The transcript of one side in terms that both sides share: a list of lines for each thing seen. */
export function comparable(transcript: readonly Seen[]): string[][] {
  const names = new Map<unknown, string>()
  return transcript.map(({ label, value }) => [label, ...lines(plain(value, names))])
}

type Fields = Readonly<Record<string, unknown>>

/** Fields of any two brokers that are not alike, and why. */
const unlike: Readonly<
  Record<string, (value: never, name: (kind: string, value: unknown) => string) => unknown>
> = {
  // Kafka reports its quotas' delays; there are none here.
  throttleTimeMs: () => undefined,
  // Words are for people: ours name cause and fix, Kafka's are its exceptions'.
  errorMessage: () => undefined,
  batchIndexErrorMessage: () => undefined,
  // Made up at random or counted up by each broker.
  clusterId: () => 'a cluster',
  topicId: (id, name) => (id === zeroUuid ? 'none' : name('topicId', id)),
  producerId: (id, name) => (id < 0 ? id : name('producerId', id)),
  memberId: (id, name) => (id === '' ? '' : name('memberId', id)),
  leader: (id, name) => (id === '' ? '' : name('memberId', id)),
  sessionId: (id, name) => (id === 0 ? 0 : name('sessionId', id)),
  host: (host) => (host === '' ? '' : 'a host'),
  port: (port) => (port < 0 ? port : 'a port'),
  clientHost: (host) => (host === '' ? '' : 'a host'),
  logDir: () => 'a directory',
  // Clocks.
  logAppendTimeMs: (time) => (time < 0 ? time : 'a time'),
  lastTimestamp: (time) => (time < 0 ? time : 'a time'),
  transactionStartTimeMs: (time) => (time < 0 ? time : 'a time'),
  // One broker's coordinator never changes, so nothing counts its terms.
  coordinatorEpoch: () => undefined,
  records: (records: Uint8Array | null) => records && splitBatches(records).map(batchText),
}

function plain(value: unknown, names: Map<unknown, string>): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) {
    // Ids are put in order last, by the names given to them.
    const items = value.toSorted(by(identityOf)).map((item) => plain(item, names))
    return items.toSorted(by((item) => `${identityOf(item)}/${String(fieldOf(item, 'memberId'))}`))
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([field, content]) => {
    if (/errorCode$/i.test(field)) return [field, errorName(content as number)]
    // Where there is no error there are no words, and a client may look at which nothing it is.
    const isNothing = field === 'errorMessage' && fieldOf(value, 'errorCode') === ErrorCode.NONE
    const like = isNothing ? undefined : unlike[field]
    if (like === undefined) return [field, plain(content, names)]
    return [field, like(content as never, (kind, id) => nameOf(kind, id, names))]
  })
  return Object.fromEntries(entries.filter(([, content]) => content !== undefined))
}

function nameOf(kind: string, id: unknown, names: Map<unknown, string>): string {
  const known = names.get(id)
  if (known !== undefined) return known
  const count = [...names.values()].filter((name) => name.startsWith(kind)).length
  const name = `${kind}#${count + 1}`
  names.set(id, name)
  return name
}

function by(identity: (item: unknown) => string): (a: unknown, b: unknown) => number {
  return (a, b) => {
    const [left, right] = [identity(a), identity(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }
}

function fieldOf(item: unknown, name: string): unknown {
  return typeof item === 'object' && item !== null ? (item as Fields)[name] : undefined
}

const identityFields = [
  ['name', 'topic', 'groupId', 'transactionalId', 'key', 'topicName', 'resourceName'],
  ['partitionIndex', 'index', 'partition', 'apiKey', 'nodeId', 'brokerId', 'offset'],
]

function identityOf(item: unknown): string {
  if (typeof item !== 'object' || item === null) return String(item)
  return identityFields
    .map((names) => names.map((name) => fieldOf(item, name)).find((id) => id !== undefined))
    .map((id) =>
      typeof id === 'number' ? String(id).padStart(8, '0') : typeof id === 'string' ? id : '',
    )
    .join('/')
}

function batchText(batch: Uint8Array): string {
  const header = readBatchHeader(batch)
  const { baseOffset, lastOffsetDelta, attributes, recordCount, partitionLeaderEpoch } = header
  const kind = isControl(attributes) ? controlKind(batch) : `${recordCount} records`
  const sequence = `epoch ${header.producerEpoch} sequence ${header.baseSequence}`
  return `${baseOffset}-${baseOffset + lastOffsetDelta}: ${kind}, bits ${attributes}, ${sequence}, led ${partitionLeaderEpoch}`
}

/** One line a field, so that a difference is a line. */
function lines(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${path} = ${String(value)}`]
  const entries = Object.entries(value)
  if (entries.length === 0) return [`${path} = none`]
  return entries.flatMap(([field, content]) =>
    lines(content, Array.isArray(value) ? `${path}[${field}]` : `${path}.${field}`),
  )
}
