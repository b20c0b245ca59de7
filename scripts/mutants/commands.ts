/** Mutants of commands: their bounds, and that each is decided once and as a whole. */
import type { Mutant } from './mutant.ts'

const marks = 'src/events/commands.ts'
const outcomes = 'src/streams/operators/outcomes.ts'
const decider = 'src/streams/operators/decide.ts'
const asker = 'src/streams/commands/asker.ts'
const settings = 'src/streams/commands/settings.ts'
const plan = 'src/streams/plan/plan.ts'
const decided = ['test/unit/commands/decide.test.ts']
const asked = ['test/unit/commands/asked.test.ts']
const alike = ['test/unit/commands/asked-alike.test.ts']
const hostile = ['test/unit/commands/hostile.test.ts']
const contract = ['test/unit/commands/contract.test.ts']
const pace = ['test/unit/streams/commit-pace.test.ts']

export const commands: readonly Mutant[] = [
  {
    name: 'commands: outcomesPerKeyMax',
    file: outcomes,
    text: 'const outcomesPerKeyMax = 16',
    instead: 'const outcomesPerKeyMax = 17',
    tests: decided,
  },
  {
    name: 'commands: outcomesPerKeyMax, and no fewer',
    file: outcomes,
    text: 'kept?.slice(1 - outcomesPerKeyMax)',
    instead: 'kept?.slice(2 - outcomesPerKeyMax)',
    tests: decided,
  },
  {
    name: 'commands: commandIdCharsMax',
    file: marks,
    text: 'id.length > 0 && id.length <= commandIdCharsMax && id.isWellFormed()',
    instead: 'id.length > 0 && id.isWellFormed()',
    tests: asked,
  },
  {
    name: 'commands: outcomePartitions, of a header that anybody may write',
    file: marks,
    text: 'Number(partition) < outcomePartitions',
    instead: 'Number(partition) < 1_000',
    tests: decided,
  },
  {
    name: 'commands: outcomePartitions are what topics have',
    file: marks,
    text: 'export const outcomePartitions = 8',
    instead: 'export const outcomePartitions = 9',
    tests: contract,
  },
  {
    name: 'commands: commandRetentionMs',
    file: plan,
    text: 'const commandRetentionMs = 7 * 86_400_000',
    instead: 'const commandRetentionMs = 70 * 86_400_000',
    tests: contract,
  },
  {
    name: 'commands: outcomeRetentionMs',
    file: plan,
    text: 'const outcomeRetentionMs = 3_600_000',
    instead: 'const outcomeRetentionMs = 36_000_000',
    tests: contract,
  },
  {
    name: 'commands: asksMax',
    file: asker,
    text: 'if (this.#waiting >= asksMax) throw tooMany(commands.name, asksMax)',
    instead: 'if (this.#waiting < 0) throw tooMany(commands.name, asksMax)',
    tests: asked,
  },
  {
    name: 'commands: asksMax counts those that wait',
    file: asker,
    text: '    this.#waiting--',
    instead: '    this.#waiting -= 0',
    tests: asked,
  },
  {
    name: 'commands: bufferBytesMax',
    file: asker,
    text: 'if (this.#heldBytes + bytes > bufferBytesMax) throw bufferFull',
    instead: 'if (this.#heldBytes < 0) throw bufferFull',
    tests: asked,
  },
  {
    name: 'commands: bufferBytesMax is of what the broker does not have',
    file: asker,
    text: 'this.#heldBytes -= ask.heldBytes - keptBytes',
    instead: 'this.#heldBytes -= 0',
    tests: asked,
  },
  {
    name: 'commands: messageBytesMax',
    file: asker,
    text: 'new Encoders(owner, settings.messageBytesMax, 0)',
    instead: 'new Encoders(owner, Infinity, 0)',
    tests: asked,
  },
  {
    name: 'commands: timeout, at most a day',
    file: settings,
    text: "assertWithin('timeout in milliseconds', ms, 1, dayMs)",
    instead: "assertWithin('timeout in milliseconds', ms, 1, dayMs * 10)",
    tests: asked,
  },
  {
    name: 'commands: bodyBytesMax',
    file: 'src/query/commands.ts',
    text: 'export const bodyBytesMax = 4 * 1024 * 1024',
    instead: 'export const bodyBytesMax = 40 * 1024 * 1024',
    tests: asked,
  },
  {
    name: 'commands: one that comes again is not decided again',
    file: decider,
    text: 'if (known !== undefined &&',
    instead: "if (known?.id === '' &&",
    tests: decided,
  },
  {
    name: 'commands: outcomes say where events are',
    file: 'src/streams/runtime/commit.ts',
    text: 'if (set.awaitsPlaces) await this.#producer.flush()',
    instead: 'if (set.awaitsPlaces) await this.ready()',
    tests: asked,
  },
  {
    name: 'commands: who has asked waits for no interval',
    file: 'src/streams/runtime/commit-pace.ts',
    text: 'if (isCareful || this.#decisions.asked > this.#askedBefore) return true',
    instead: 'if (isCareful) return true',
    tests: pace,
  },
  {
    name: 'commands: one that does not decode is refused',
    file: 'src/streams/task/queue.ts',
    text: 'o.refuse?.(error)',
    instead: 'void o.refuse',
    tests: ['test/unit/commands/unreadable.test.ts'],
  },
  {
    name: 'commands: one without a message is refused',
    file: 'src/streams/task/pipeline.ts',
    text: 'refuse?.(noCommand())',
    instead: 'void refuse',
    tests: ['test/unit/commands/unreadable.test.ts'],
  },
  {
    name: 'commands: what is decided is not sent',
    file: 'src/streams/sending/encode.ts',
    text: 'if (decision !== undefined) {',
    instead: "if (decision?.decider === '') {",
    tests: ['test/unit/commands/not-sent.test.ts'],
  },
  {
    name: 'commands: a decision is given a copy of the state',
    file: decider,
    text: 'initialState(state, key, copyOf) : copyOf(before)',
    instead: 'initialState(state, key, copyOf) : before',
    tests: decided,
  },
  {
    name: 'commands: a fold that fails has worked on a copy',
    file: decider,
    text: 'isKept && before !== undefined ? copyOf(before) : before',
    instead: 'before',
    tests: decided,
  },
  {
    name: 'commands: events are about what the command is about',
    file: decider,
    text: 'if (named !== key) throw ofAnother(node, named, key)',
    instead: 'if (named === undefined) throw ofAnother(node, named, key)',
    tests: decided,
  },
  {
    name: 'commands: reasons are those of the contract',
    file: decider,
    text: 'if (commands.reasons.includes(reason)) return',
    instead: 'if (commands.reasons.length > 0) return',
    tests: decided,
  },
  {
    name: 'commands: nothing else writes what is decided',
    file: 'src/streams/topology/graph.ts',
    text: "if (decider?.kind === 'decide') throw this.#writtenTwice(decider.name, event.name)",
    instead: "if (decider?.kind === 'to') throw this.#writtenTwice('', event.name)",
    tests: contract,
  },
  {
    name: 'commands: outcomeBytesMax, of all that is kept of a key',
    file: outcomes,
    text: 'const outcomeBytesMax = 60_000',
    instead: 'const outcomeBytesMax = 66_000',
    tests: hostile,
  },
  {
    name: 'commands: outcomeBytesMax, of events',
    file: outcomes,
    text: 'if (events <= eventsMax) return undefined',
    instead: 'if (events <= Infinity) return undefined',
    tests: hostile,
  },
  {
    name: 'commands: outcomeBytesMax, of details',
    file: outcomes,
    text: 'if (writer.at <= outcomeBytesMax) return undefined',
    instead: 'if (writer.at <= Infinity) return undefined',
    tests: hostile,
  },
  {
    name: 'commands: failureCharsMax',
    file: outcomes,
    text: 'message.slice(0, failureCharsMax)',
    instead: 'message.slice(0)',
    tests: hostile,
  },
  {
    name: 'commands: what is new is a copy, too, for a decision',
    file: decider,
    text: 'const given = copyOf(before ?? state.init(key))',
    instead: 'const given = before === undefined ? state.init(key) : copyOf(before)',
    tests: hostile,
  },
  {
    name: 'commands: what is new is a copy, too, for a fold',
    file: decider,
    text: 'next = state.f(next ?? copyOf(state.init(key)), event, key) ?? undefined',
    instead: 'next = state.f(next ?? state.init(key), event, key) ?? undefined',
    tests: hostile,
  },
  {
    name: 'commands: an id is text',
    file: marks,
    text: 'return value ? exactUtf8String(value) : undefined',
    instead: 'return value ? new TextDecoder().decode(value) : undefined',
    tests: hostile,
  },
  {
    name: 'commands: an outcome is of one thing',
    file: asker,
    text: 'commands === of.commands.name && equalBytes(key, of.key)',
    instead: 'commands === of.commands.name && key.length >= 0',
    tests: alike,
  },
  {
    name: 'commands: bufferBytesMax is of the keys that outcomes are known by',
    file: asker,
    text: 'this.#release(ask, key.length)',
    instead: 'this.#release(ask, 0)',
    tests: alike,
  },
  {
    name: 'commands: httpWaitMsMax',
    file: 'src/query/commands.ts',
    text: 'if (ms <= httpWaitMsMax) return ms',
    instead: 'if (ms <= Infinity) return ms',
    tests: ['test/unit/commands/http.test.ts'],
  },
  {
    name: 'commands: who has gone waits no more',
    file: 'src/query/commands.ts',
    text: 'signal: context.req.raw.signal,',
    instead: '',
    tests: alike,
  },
  {
    name: 'commands: bufferBytesMax is of headers, too',
    file: asker,
    text: 'const bytes = key.length + value.length + headerBytes(own)',
    instead: 'const bytes = key.length + value.length',
    tests: alike,
  },
]
