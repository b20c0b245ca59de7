/**
 * What happens in services, as entries of the log. What goes wrong and passes by itself (repairs, slow records,
 * records that are gone, a broker that is away) is said once of each kind, and then how often it came again,
 * so that a broker that is away for an hour leaves a page and not a book. What is in order is for `debug`.
 */
import type { Clock } from '../io/ports.ts'
import type { SinkEvent } from '../postgres/running.ts'
import { discardNote } from './discard-note.ts'
import type { Log } from './logging.ts'
import type { Note } from './note.ts'
import { formatCount, formatSeconds } from './output.ts'

/** How long the same kind of note is held back after it was said. */
const quietMs = 30_000

/** Notes of one program. */
export class ServiceNotes {
  readonly #clock: Clock
  readonly #log: Log
  readonly #said = new Map<string, { at: number; heldBack: number }>()
  /** By service that has lost its broker: how often that was felt since. */
  readonly #cutOff = new Map<string, number>()

  /** An entry has `event`: the service, its type and what belongs to that, and how many were held back. */
  constructor(o: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = o.clock
    this.#log = o.log
  }

  tell(event: SinkEvent, service: string): void {
    const note = noteOf(event)
    if (note === undefined) return
    if (note.level === 'debug') return this.#write(service, note, 0)
    if (event.type === 'broker-lost') this.#cutOff.set(service, 0)
    if (event.type === 'broker-found') return this.#write(service, note, this.#found(service))
    const felt = this.#cutOff.get(service)
    if (felt !== undefined && isOfBroker(event)) {
      this.#cutOff.set(service, felt + 1)
      return
    }
    const now = this.#clock.monotonic()
    const kind = `${service} ${note.kind}`
    const before = this.#said.get(kind)
    // That a broker or a database is lost is said each time: it was there in between.
    if (before !== undefined && now - before.at < quietMs && !isOutage(event)) {
      before.heldBack++
      return
    }
    this.#said.set(kind, { at: now, heldBack: 0 })
    this.#write(service, note, before?.heldBack ?? 0)
  }

  #found(service: string): number {
    const felt = this.#cutOff.get(service) ?? 0
    this.#cutOff.delete(service)
    return felt
  }

  #write(service: string, { level, text, event }: Note, heldBack: number): void {
    const more =
      heldBack === 0 ? '' : ` (and ${formatCount(heldBack)} times like it since the last note)`
    const told = { service, ...event, ...(level === 'debug' ? {} : { heldBack }) }
    this.#log[level]({ event: told }, `service '${service}' ${text}${more}`)
  }
}

function isOutage({ type }: SinkEvent): boolean {
  return type === 'broker-lost' || type === 'database-lost'
}

/** Whether an event says only what `broker-lost` has said. */
function isOfBroker(event: SinkEvent): boolean {
  if (event.type !== 'repair' && event.type !== 'stalled') return false
  return ['connection-failed', 'connection-lost', 'timeout'].includes(event.error.code)
}

function noteOf(event: SinkEvent): Note | undefined {
  const warn = { level: 'warn', kind: event.type, event } as const
  switch (event.type) {
    case 'repair': {
      const { code, message } = event.error
      const text = `went back to what is committed (${code}): ${message}`
      return { ...warn, kind: `repair ${code}`, text, event: { type: event.type, code, message } }
    }
    case 'slow-record': {
      const { topic, partition, offset, records, ms } = event
      const which =
        records === 1 ? `record ${offset}` : `one of the ${records} records up to ${offset}`
      const text = `took ${formatCount(ms)} ms for ${which} of partition ${partition} of topic '${topic}'`
      return { ...warn, text }
    }
    case 'skipped': {
      const { topic, partition, records } = event
      const text =
        `skipped ${formatCount(records)} records of partition ${partition} of topic '${topic}', ` +
        'which were gone before they were read'
      return { ...warn, kind: `skipped ${topic}/${partition}`, text }
    }
    case 'stalled': {
      const { error, topic, partition, ms } = event
      const { code, message } = error
      const text =
        `has waited ${formatCount(ms)} ms for partition ${partition} of topic '${topic}' and goes on ` +
        `trying (${code}): ${message}`
      const told = { type: event.type, topic, partition, ms, code, message }
      return { ...warn, kind: `stalled ${code}`, text, event: told }
    }
    case 'discarded':
      return discardNote(event)
    case 'broker-lost':
    case 'broker-found':
    case 'database-lost':
    case 'database-found':
      return outageNote(event)
    case 'stopping': {
      const { code, message } = event.error
      const text = `is led up to the record that stops it, and what was before it committed (${code}): ${message}`
      return { ...warn, text, event: { type: event.type, code, message } }
    }
    // A failure is told as the error that ends the program.
    case 'failed':
      return undefined
    case 'state':
      return { ...warn, level: 'debug', text: `is ${event.state}` }
    case 'opened': {
      const { kept, restored, ms } = event
      const text = `opened its tasks in ${formatCount(ms)} ms: ${kept} went on, ${restored} were restored`
      return { ...warn, level: 'debug', text }
    }
    case 'assigned':
    case 'revoked':
    case 'lost':
    case 'orphans-ended':
      return { ...warn, level: 'debug', text: groupText(event) }
  }
}

type OutageEvent = Extract<
  SinkEvent,
  { readonly type: 'broker-lost' | 'broker-found' | 'database-lost' | 'database-found' }
>

function outageNote(event: OutageEvent): Note {
  const { type } = event
  const whom = type === 'broker-lost' || type === 'broker-found' ? 'broker' : 'database'
  if ('ms' in event) {
    const text = `has its ${whom} again after ${formatSeconds(event.ms / 1000)}`
    return { level: 'info', kind: type, text, event }
  }
  const { code, message } = event.error
  const text = `has lost its ${whom} and goes on trying (${code}): ${message}`
  return { level: 'warn', kind: type, text, event: { type, code, message } }
}

type GroupEvent = Extract<
  SinkEvent,
  { readonly type: 'assigned' | 'revoked' | 'lost' | 'orphans-ended' }
>

function groupText(event: GroupEvent): string {
  if (event.type === 'orphans-ended') {
    return `ended transactions of instances that are gone: ${event.transactionalIds.join(', ')}`
  }
  const { type, partitions, generation } = event
  return `${type === 'assigned' ? 'was given' : `has ${type}`} ${partitions} partitions in generation ${generation}`
}
