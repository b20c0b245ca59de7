/** One machine on stage: it takes commands as text lines, and what it does comes out as lines. */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { concatBytes } from '../../src/base/bytes.ts'
import type { Instant } from '../../src/base/instant.ts'
import { uuidText } from '../../src/base/units.ts'
import { replay, type Decision, type Machine } from '../../src/coordinator/machine.ts'
import { apis, type ApiName } from '../../src/protocol/api.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../src/protocol/frame.ts'
import { parse, show, showResponse } from './notation.ts'

/** A machine with its types forgotten: a scene brings whatever the text says. */
export type AnyMachine = Machine<unknown, Command, { readonly type: string }, Effect>
export interface Command {
  readonly type: string
  readonly token?: string
}
export type Effect = { readonly type: string }

/** What of a state must come out of a replay: everything but what is volatile. */
export type Lasting = (state: never) => unknown

/** What all machines of a scene have in common. */
export class Setting {
  #now = 0
  /** What the wall clock is ahead of the monotonic one. */
  #aheadMs = 0
  #requests = 0
  /** The API and version a token's answer goes out in. */
  readonly #calls = new Map<string, { api: ApiName; version: number }>()

  get now(): Instant {
    return { monotonicMs: this.#now, wallMs: this.#now + this.#aheadMs }
  }

  /** Lets time pass, or sets the wall clock, if the line says so. */
  movesClock(line: string): boolean {
    const clock = /^(at|after|clock) ([+-]?\d+)$/.exec(line)
    if (clock === null) return false
    const ms = Number(clock[2])
    if (clock[1] === 'clock') this.#aheadMs += ms
    else this.#now = ms + (clock[1] === 'after' ? this.#now : 0)
    return true
  }

  commandOf(line: string): Command {
    const match = /^(\S+)(?: v(\d+))?(?: (\{.*))?$/u.exec(line)
    assert(match !== null, `not a command: ${line}`)
    const [, type = '', version, fields = '{}'] = match
    const given = parse(fields) as Record<string, unknown>
    const token = this.nextToken()
    if (!(type in apis)) return { type, token, ...given }
    const api = type as ApiName
    const call = { api, version: Number(version) }
    this.#calls.set(token, call)
    const { clientId = 'client', ...input } = given
    const request = throughWire(api, call.version, input)
    return {
      type,
      token,
      version: call.version,
      clientId,
      clientHost: '/10.0.0.1',
      request,
      memberId: `id-${token}`,
      topicIds: topicIds(this.#requests, request),
    } as Command
  }

  nextToken(): string {
    return nameOf(this.#requests++)
  }

  /** The answer as its client reads it: so every answer is known to fit its version. */
  asReceived(token: string, response: unknown): unknown {
    const call = this.#calls.get(token)
    if (call === undefined) return response
    const frame = concatBytes(encodeResponse(call.api, call.version, 0, response as never))
    return decodeResponse(call.api, call.version, frame.subarray(4)).body
  }
}

export class Stage {
  readonly #machine: AnyMachine
  readonly #setting: Setting
  readonly #lasting: Lasting
  #state: unknown
  #stored: Uint8Array[] = []

  constructor(machine: AnyMachine, lasting: Lasting, setting: Setting) {
    this.#machine = machine
    this.#lasting = lasting
    this.#setting = setting
    this.#state = machine.initial()
  }

  get name(): string {
    return this.#machine.name
  }

  get state(): unknown {
    return this.#state
  }

  get storedCount(): number {
    return this.#stored.length
  }

  /** Builds the state anew from the first `count` stored changes; the commands to decide then. */
  restart(count = this.#stored.length): readonly Command[] {
    this.#stored.length = count
    this.#state = replay(this.#machine, this.#stored)
    return this.#machine.afterReplay(this.#state)
  }

  checkReplay(): void {
    const lasting = (state: unknown) => this.#lasting(state as never)
    const state = lasting(this.#state)
    const replayed = lasting(replay(this.#machine, this.#stored))
    assert.deepEqual(replayed, state, 'the stored changes build another state')
    const dumped = [...this.#machine.dump(this.#state)].map((change) =>
      this.#machine.encode(change)!,
    )
    assert(dumped.every(Boolean), 'a dump holds a volatile change')
    const rebuilt = lasting(replay(this.#machine, dumped))
    assert.deepEqual(rebuilt, state, 'a dump builds another state')
  }

  run(command: Command): { readonly lines: string[]; readonly effects: readonly Effect[] } {
    const { now } = this.#setting
    const before = structuredClone(this.#state)
    const decision: Decision<{ readonly type: string }, Effect> = this.#machine.decide(
      this.#state,
      command,
      now,
    )
    assert(isDeepStrictEqual(this.#state, before), 'deciding has changed the state')
    const lines: string[] = []
    for (const change of decision.changes) {
      const stored = this.#machine.encode(change)
      this.#machine.apply(this.#state, change)
      if (stored === undefined) continue
      this.#stored.push(stored)
      const { type, ...fields } = change
      lines.push(`stored ${type} ${show(fields)}`)
    }
    for (const { to, response } of decision.replies) {
      lines.push(`reply ${to} ${showResponse(this.#setting.asReceived(to, response))}`)
    }
    for (const { type, ...fields } of decision.effects) {
      lines.push(`effect ${type} ${showEffect(fields)}`)
    }
    if (decision.wakeAt !== undefined) lines.push(`wake at ${decision.wakeAt}`)
    return { lines, effects: decision.effects }
  }
}

/** The request as a broker decodes it, all defaults filled in. */
function throughWire(api: ApiName, version: number, input: unknown): unknown {
  const frame = concatBytes(encodeRequest(api, version, 0, 'client', input as never))
  const decoded = decodeRequest(frame.subarray(4))
  assert('body' in decoded, `${api} has no version ${version}`)
  checkNames(input, decoded.body, api)
  return decoded.body
}

/** A field the message does not have would be lost without a word. */
function checkNames(given: unknown, decoded: unknown, path: string): void {
  if (given instanceof Uint8Array || given === null || typeof given !== 'object') return
  for (const [name, value] of Object.entries(given)) {
    const message = decoded as Record<string, unknown>
    assert(name in message, `${path} has no field ${name}`)
    checkNames(value, message[name], `${path}.${name}`)
  }
}

function showEffect(fields: Record<string, unknown>): string {
  if (!Array.isArray(fields['logs'])) return show(fields)
  const logs = fields['logs'] as { logName: string; configs: ReadonlyMap<string, string> }[]
  const policies = new Set(logs.map(({ configs }) => configs.get('cleanup.policy')))
  return `${logs.map(({ logName }) => logName).join(' ')} (${[...policies].join(', ')})`
}

function topicIds(from: number, request: unknown): string[] {
  const { topics } = request as { topics?: readonly unknown[] | null }
  return (topics ?? []).map((_, index) => {
    const bytes = new Uint8Array(16)
    bytes[14] = from
    bytes[15] = index + 1
    return uuidText(bytes)
  })
}

/** a, b, ... z, aa, ab, ... */
function nameOf(index: number): string {
  const letter = String.fromCharCode(97 + (index % 26))
  return index < 26 ? letter : nameOf(Math.floor(index / 26) - 1) + letter
}
