/**
 * What a topic may be called, and how the topics machine says no.
 *
 * Kafka's rules on names: 1–249 characters of `[a-zA-Z0-9._-]`, not `.` or `..`; and no two topics that
 * differ only by `.` and `_`, because metric names fold the two.
 */
import { refusalLengthMax } from './options.ts'

const topicNameCharactersMax = 249
const internalTopics = new Set(['__consumer_offsets', '__transaction_state', '__share_group_state'])

/** A refusal in the terms of a response. */
export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string
}

export function refusal(errorCode: number, errorMessage: string): Refusal {
  if (errorMessage.length <= refusalLengthMax) return { errorCode, errorMessage }
  return { errorCode, errorMessage: `${errorMessage.slice(0, refusalLengthMax)}…` }
}

/** Why a topic cannot have this name; nothing when it can. */
export function topicNameFault(name: string): string | undefined {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > topicNameCharactersMax) {
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length 249`
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return (
      `Topic name is invalid: '${name}' contains one or more characters other than ` +
      `ASCII alphanumerics, '.', '_' and '-'`
    )
  }
  if (internalTopics.has(name)) return `Topic '${name}' is internal to Apache Kafka`
  return undefined
}

/** What names that collide have in common. */
export function foldedName(name: string): string {
  return name.replaceAll('.', '_')
}
