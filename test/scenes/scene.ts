/**
 * Scenes: what a machine answers, as text that a person reviews.
 *
 * A scene is a title in `#` lines, then blocks: commands, `----`, and what came of them. `npm run scenes
 * -- --update` writes the second half anew; the diff is the review.
 *
 *     at 1000                         the clock
 *     JoinGroup v5 {groupId: g, ...}  a request, filled up with the protocol's defaults
 *     markers-written {...}           a command of the host
 *     restart                         the state is built anew from what was stored
 *
 * Lines of output: `stored` a change that went to the log, `reply TOKEN`, `effect`, `wake at`. Tokens count
 * from `a`. At the end of every scene the runner checks that the stored changes, and the shortest list of
 * them, build the same state.
 */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { groupsDefaults } from '../../src/coordinator/groups/options.ts'
import { groupsMachine } from '../../src/coordinator/groups/machine.ts'
import { replay, type Decision, type Machine } from '../../src/coordinator/machine.ts'
import { topicsMachine } from '../../src/coordinator/topics/machine.ts'
import { transactionsDefaults } from '../../src/coordinator/transactions/options.ts'
import { transactionsMachine } from '../../src/coordinator/transactions/machine.ts'
import { uuidText } from '../../src/base/units.ts'
import { apis, type ApiName } from '../../src/protocol/api.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../src/protocol/frame.ts'
import { concatBytes } from '../../src/base/bytes.ts'
import { parse, show, showResponse } from './notation.ts'

/** A machine with its types forgotten: a scene brings whatever the text says. */
type AnyMachine = Machine<unknown, Command, { readonly type: string }, { readonly type: string }>
type Command = { readonly type: string; readonly token?: string; readonly version?: number }

/** What of a state must come out of a replay: everything but what is volatile. */
type Lasting = (state: never) => unknown

const stages: Readonly<Record<string, { machine: () => unknown; lasting: Lasting }>> = {
  groups: {
    machine: () => groupsMachine(groupsDefaults),
    lasting: (state: { groups: unknown }) => state.groups,
  },
  transactions: {
    machine: () => transactionsMachine(transactionsDefaults),
    lasting: (state: unknown) => state,
  },
  topics: {
    machine: () =>
      topicsMachine({
        nodeId: 1,
        defaultPartitions: 4,
        partitionsMax: 100,
        brokerConfigs: new Map([['log.dirs', '/d']]),
      }),
    lasting: (state: unknown) => state,
  },
}

/** The scene with its outputs as they are now. */
export function runScene(stageName: string, text: string): string {
  const { machine, lasting } = stages[stageName]!
  const stage = new Stage(machine() as AnyMachine)
  const [title, ...blocks] = text.trimEnd().split(/\n\n+/)
  assert(title?.startsWith('#'), 'a scene begins by saying which rule it shows')
  const played = blocks.map((block) => {
    const commands = block.split('\n----')[0]!
    if (commands.split('\n').every((line) => line.startsWith('#'))) return commands
    const output = commands
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .flatMap((line) => stage.play(line))
    return `${commands}\n----\n${output.length === 0 ? 'nothing' : output.join('\n')}`
  })
  stage.checkReplay(lasting)
  return `${[title, ...played].join('\n\n')}\n`
}

class Stage {
  readonly #machine: AnyMachine
  #state: unknown
  #now = 0
  #requests = 0
  #stored: Uint8Array[] = []
  /** The API and version a token's answer goes out in. */
  readonly #calls = new Map<string, { api: ApiName; version: number }>()

  constructor(machine: AnyMachine) {
    this.#machine = machine
    this.#state = machine.initial()
  }

  play(line: string): string[] {
    const clock = /^(at|after) (\d+)$/.exec(line)
    if (clock !== null) {
      this.#now = Number(clock[2]) + (clock[1] === 'after' ? this.#now : 0)
      return []
    }
    if (line === 'restart') {
      this.#state = replay(this.#machine, this.#stored)
      const commands = this.#machine.afterReplay(this.#state, this.#now)
      return commands.flatMap((command) => this.#run(command))
    }
    return this.#run(this.#commandOf(line))
  }

  checkReplay(lasting: Lasting): void {
    const state = lasting(this.#state as never)
    const replayed = lasting(replay(this.#machine, this.#stored) as never)
    assert.deepEqual(replayed, state, 'the stored changes build another state')
    const dumped = this.#machine.dump(this.#state).map((change) => this.#machine.encode(change)!)
    assert(dumped.every(Boolean), 'a dump holds a volatile change')
    const rebuilt = lasting(replay(this.#machine, dumped) as never)
    assert.deepEqual(rebuilt, state, 'a dump builds another state')
  }

  #commandOf(line: string): Command {
    const match = /^(\S+)(?: v(\d+))?(?: (\{.*))?$/u.exec(line)
    assert(match !== null, `not a command: ${line}`)
    const [, type = '', version, fields = '{}'] = match
    const given = parse(fields) as Record<string, unknown>
    const token = nameOf(this.#requests++)
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

  #run(command: Command): string[] {
    const before = structuredClone(this.#state)
    const decision: Decision<{ readonly type: string }, { readonly type: string }> =
      this.#machine.decide(this.#state, command, this.#now)
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
      lines.push(`reply ${to} ${showResponse(this.#asReceived(to, response))}`)
    }
    for (const { type, ...fields } of decision.effects) {
      lines.push(`effect ${type} ${showEffect(fields)}`)
    }
    if (decision.wakeAt !== undefined) lines.push(`wake at ${decision.wakeAt}`)
    return lines
  }

  /** The answer as its client reads it: so every answer is known to fit its version. */
  #asReceived(token: string, response: unknown): unknown {
    const call = this.#calls.get(token)
    if (call === undefined) return response
    const frame = concatBytes(encodeResponse(call.api, call.version, 0, response as never))
    return decodeResponse(call.api, call.version, frame.subarray(4)).body
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
