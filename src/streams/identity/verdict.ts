/** What is decided of a service's stores and sources before anything is processed. */
import type { IdentityChange } from './identity.ts'

export interface StoreVerdict {
  readonly store: string
  /**
   * `kept`: read from its changelog. `rebuilt`: a table, read from its own stream. `new`: begins empty.
   * `dropped`: this version has no such store. `refused`: it would hold what is not true.
   */
  readonly outcome: 'kept' | 'rebuilt' | 'new' | 'dropped' | 'refused'
  /** Half a sentence, after the store's name. */
  readonly why: string
  /** Ways out of a refusal, each a command or a change that exists. */
  readonly fixes: readonly string[]
  /** Whether `headwater plan --accept` may let the service go on with the store as it is. */
  readonly isAcceptable: boolean
  /** What reading it reads, and of which topic. */
  readonly from: readonly { readonly topic: string; readonly records: number }[]
}

export interface SourceVerdict {
  readonly topic: string
  readonly outcome: 'kept' | 'new' | 'restarted' | 'dropped' | 'refused'
  readonly why: string
  readonly fixes: readonly string[]
}

export interface Verdicts {
  readonly service: string
  readonly stores: readonly StoreVerdict[]
  readonly sources: readonly SourceVerdict[]
  /** What the identity topic must be told before the service runs. */
  readonly changes: readonly IdentityChange[]
}

export interface Policies {
  /** What to do when a stream was deleted and made anew. */
  readonly onTopicReplaced: 'stop' | 'restart'
  /** At least once, rows may lie in a changelog before any offset is committed. */
  readonly guarantee: 'exactly-once' | 'at-least-once'
}

export const policiesDefault: Policies = { onTopicReplaced: 'stop', guarantee: 'exactly-once' }
