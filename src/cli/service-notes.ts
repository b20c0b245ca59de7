/**
 * What goes wrong in a service and passes by itself, as notes on standard error: repairs, slow records and
 * records that are gone. Each kind is said once, and then how often it came again, so that a broker that
 * is away for an hour leaves a page and not a book.
 */
import type { Clock } from '../io/ports.ts'
import type { ServiceEvent } from '../streams/runtime/service-event.ts'
import { discardNote } from './discard-note.ts'
import type { Note } from './note.ts'
import { formatCount } from './output.ts'

/** How long the same kind of note is held back after it was said. */
const quietMs = 30_000

/** Notes of one program. */
export class ServiceNotes {
  readonly #clock: Clock
  readonly #write: (line: string) => void
  readonly #isJson: boolean
  readonly #said = new Map<string, { at: number; heldBack: number }>()

  /** @param o.json whether a note is `{ "event": { "service", "type", … } }` on a line */
  constructor(o: {
    readonly clock: Clock
    readonly write: (line: string) => void
    readonly json: boolean
  }) {
    this.#clock = o.clock
    this.#write = o.write
    this.#isJson = o.json
  }

  tell(event: ServiceEvent, service: string): void {
    const note = noteOf(event)
    if (note === undefined) return
    const now = this.#clock.monotonic()
    const kind = `${service} ${note.kind}`
    const before = this.#said.get(kind)
    if (before !== undefined && now - before.at < quietMs) {
      before.heldBack++
      return
    }
    const heldBack = before?.heldBack ?? 0
    this.#said.set(kind, { at: now, heldBack: 0 })
    this.#write(
      this.#isJson ? jsonLine(service, note, heldBack) : textLine(service, note, heldBack),
    )
  }
}

function noteOf(event: ServiceEvent): Note | undefined {
  switch (event.type) {
    case 'repair': {
      const { code, message } = event.error
      const text = `went back to what is committed (${code}): ${message}`
      return { kind: `${event.type} ${code}`, text, event: { type: event.type, code, message } }
    }
    case 'slow-record': {
      const { topic, partition, offset, records, ms } = event
      const which =
        records === 1 ? `record ${offset}` : `one of the ${records} records up to ${offset}`
      const text = `took ${formatCount(ms)} ms for ${which} of partition ${partition} of topic '${topic}'`
      return { kind: event.type, text, event }
    }
    case 'skipped': {
      const { topic, partition, records } = event
      const text =
        `skipped ${formatCount(records)} records of partition ${partition} of topic '${topic}', ` +
        'which were gone before they were read'
      return { kind: `${event.type} ${topic}/${partition}`, text, event }
    }
    case 'discarded':
      return discardNote(event)
    case 'stalled': {
      const { error, topic, partition, ms } = event
      const { code, message } = error
      const text =
        `has waited ${formatCount(ms)} ms for partition ${partition} of topic '${topic}' and goes on ` +
        `trying (${code}): ${message}`
      const told = { type: event.type, topic, partition, ms, code, message }
      return { kind: `${event.type} ${code}`, text, event: told }
    }
    // What is in order, and what is told otherwise: a failure as the command's error.
    case 'state':
    case 'assigned':
    case 'revoked':
    case 'lost':
    case 'opened':
    case 'orphans-ended':
    case 'failed':
      return undefined
  }
}

function textLine(service: string, { text }: Note, heldBack: number): string {
  const more =
    heldBack === 0 ? '' : ` (and ${formatCount(heldBack)} times like it since the last note)`
  return `service '${service}' ${text}${more}`
}

function jsonLine(service: string, { event }: Note, heldBack: number): string {
  return JSON.stringify({ event: { service, ...event, heldBack } })
}
