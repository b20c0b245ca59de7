/** Operators that remember nothing; `rekey` is the way out of a task to an inner topic. */
import { Writer } from '../../base/bytes.ts'
import type { EmitHeader } from '../stores/emit.ts'
import type { Progress } from '../stores/progress-store.ts'
import type { EncodedKey, Key, ValueCodec } from '../stores/serde.ts'
import type { FilterNode, FlatMapNode, MapNode, RekeyNode } from '../topology/topology.ts'
import { carriedHeaders } from './moment.ts'
import type { Moment } from './moment.ts'
import { notWritable, operatorFailed } from './operator.ts'
import type { OperatorContext, Push } from './operator.ts'

export function filter(
  { id, f, onError }: FilterNode,
  { discards }: OperatorContext,
  next: Push,
): Push {
  const name = `filter ${id}`
  const failed = discards.failing(onError, name)
  return (key, value, timestamp) => {
    let kept: boolean
    try {
      kept = f(value, key)
    } catch (error) {
      return failed(operatorFailed(name, error))
    }
    if (kept) next(key, value, timestamp)
  }
}

/** A null or undefined from the function is no value: a stream has no deletions. */
export function map({ id, f, onError }: MapNode, { discards }: OperatorContext, next: Push): Push {
  const name = `map ${id}`
  const failed = discards.failing(onError, name)
  const noValue = discards.drop('noValue', name)
  return (key, value, timestamp) => {
    let mapped: unknown
    try {
      mapped = f(value, key)
    } catch (error) {
      return failed(operatorFailed(name, error))
    }
    if (mapped === null || mapped === undefined) noValue()
    else next(key, mapped, timestamp)
  }
}

export function flatMap(
  { id, f, onError }: FlatMapNode,
  { discards }: OperatorContext,
  next: Push,
): Push {
  const name = `flatMap ${id}`
  const failed = discards.failing(onError, name)
  const noValue = discards.drop('noValue', name)
  return (key, value, timestamp) => {
    let items: readonly unknown[]
    try {
      const made = f(value, key)
      items = Array.isArray(made) ? made : [...made]
    } catch (error) {
      return failed(operatorFailed(name, error))
    }
    for (const item of items) {
      if (item === null || item === undefined) noValue()
      else next(key, item, timestamp)
    }
  }
}

/** Sends values to the inner topic `topic` under the key `f` gives them. */
export function rekey(
  node: RekeyNode,
  topic: string,
  values: ValueCodec,
  context: OperatorContext,
  { progress, moment }: { readonly progress: Progress | undefined; readonly moment: Moment },
): Push {
  const { emit, counts, discards, atHand } = context
  const { f, keyspace, onError } = node
  const { partitions } = keyspace
  const name = `rekey '${node.name}'`
  const failed = discards.failing(onError, name)
  const noKey = discards.drop('noKey', name)
  const keys = context.keys[keyspace.type]
  const writer = new Writer(1024)
  return (key, value, timestamp) => {
    let newKey: Key | null | undefined
    try {
      newKey = f(value, key) as Key | null | undefined
    } catch (error) {
      return failed(operatorFailed(name, error))
    }
    if (newKey === null || newKey === undefined) return noKey()
    let encoded: EncodedKey
    let own: Headers
    try {
      writer.at = 0
      values.encode(value, writer)
      encoded = keys.encode(newKey)
      own = atHand.headers()
    } catch (error) {
      return failed(notWritable(name, error))
    }
    const bytes = writer.bytes.subarray(0, writer.at)
    const carried = progress && carriedHeaders(timestamp, timeAt(progress, moment, timestamp))
    const headers = joined(own, carried)
    const flaw = emit.tooLarge?.(topic, encoded.bytes, bytes, headers)
    if (flaw !== undefined) return failed(notWritable(name, flaw))
    emit.append(topic, encoded.hash % partitions, timestamp, encoded.bytes, bytes, headers)
    counts.emitted++
  }
}

function joined(own: Headers, carried: Headers): Headers {
  return own === undefined || carried === undefined ? (own ?? carried) : [...own, ...carried]
}

type Headers = readonly EmitHeader[] | undefined

/** What the first task of a record has seen: this one, unless the record came through an inner topic. */
function timeAt(progress: Progress, { carried }: Moment, timestamp: number): number {
  if (carried !== undefined) return carried
  if (timestamp > progress.time) progress.time = timestamp
  return progress.time
}
