/** Mutants of what becomes of records that cannot be processed. */
import type { Mutant } from './mutant.ts'

const letter = 'src/streams/operators/dead-letter.ts'
const discards = 'src/streams/operators/discards.ts'
const onError = ['test/unit/streams/on-error.test.ts']

export const errors: readonly Mutant[] = [
  {
    name: 'letterBytesMax',
    file: letter,
    text: 'if (size > letterBytesMax)',
    instead: 'if (size > 10 * letterBytesMax)',
    tests: onError,
  },
  {
    name: 'letterTextMax, of messages',
    file: letter,
    text: 'message: error.message.slice(0, letterTextMax)',
    instead: 'message: error.message',
    tests: onError,
  },
  {
    name: 'letterTextMax, of stacks',
    file: letter,
    text: "stack: String(thrown?.stack ?? '').slice(0, letterTextMax)",
    instead: "stack: thrown?.stack ?? ''",
    tests: onError,
  },
  {
    name: 'letterTextMax, of what is replayed',
    file: letter,
    text: 'replayOf: utf8String(value).slice(0, letterTextMax)',
    instead: 'replayOf: utf8String(value)',
    tests: onError,
  },
  {
    name: 'letterHeaderBytes',
    file: letter,
    text: 'return letterHeaderBytes + key.length',
    instead: 'return key.length',
    tests: onError,
  },
  {
    name: 'a letter says what else was done with its record',
    file: discards,
    text: 'const isInPart = inPart || this.#effectsNow() > this.#effects',
    instead: 'const isInPart = inPart || this.#effectsNow() < this.#effects',
    tests: onError,
  },
  {
    name: 'a fold that fails gives its row back',
    file: 'src/streams/operators/aggregate.ts',
    text: 'if (isKept) store.putBack(row, before)',
    instead: 'if (isKept && row < 0) store.putBack(row, before)',
    tests: onError,
  },
  {
    name: 'replays for others are passed over',
    file: 'src/streams/task/columns.ts',
    text: 'if (value && utf8String(value) !== this.#service) this.ofOthers.add(at)',
    instead: 'if (value && at < 0) this.ofOthers.add(at)',
    tests: onError,
  },
  {
    name: 'a table that is rebuilt passes over what it passed over before',
    file: 'src/streams/stores/table-store.ts',
    text: 'if (!this.#isTolerant) throw error',
    instead: 'throw error',
    tests: onError,
  },
  {
    name: 'freshMs: what the group said long ago is asked again',
    file: 'src/streams/runtime/orphans.ts',
    text: 'clock.monotonic() - askedAt < freshMs',
    instead: 'clock.monotonic() - askedAt < 1e6 * freshMs',
    tests: ['test/unit/streams/orphans.test.ts'],
  },
  {
    name: 'nobody is fenced before the group was asked',
    file: 'src/streams/runtime/orphans.ts',
    text: 'if (orphans.length > 0) await this.#assertMember(confirm, assertWanted)',
    instead: 'if (orphans.length < 0) await this.#assertMember(confirm, assertWanted)',
    tests: ['test/unit/streams/orphans.test.ts'],
  },
  {
    name: 'asksMax: a group that answers late is asked three times',
    file: 'src/streams/runtime/orphans.ts',
    text: 'asks === asksMax ||',
    instead: 'asks === 10 * asksMax ||',
    tests: ['test/unit/streams/orphans.test.ts'],
  },
  {
    name: 'led up to the record that stops it',
    file: 'src/streams/runtime/runtime.ts',
    text: 'if (!mayGoOn && !this.#mayLeadUpTo(error)) return',
    instead: 'if (!mayGoOn) return',
    tests: ['test/unit/streams/suite/records.test.ts'],
  },
  {
    name: 'nothing of the record that stops it',
    file: 'src/streams/task/columns.ts',
    text: 'if (offset < position || offset >= stopBefore) return',
    instead: 'if (offset < position) return',
    tests: ['test/unit/streams/suite/records.test.ts'],
  },
  {
    name: 'calls before the record that stops it end first',
    file: 'src/streams/task/task.ts',
    text: 'queue.isAtStop && this.#positionOf(queue) >= queue.position',
    instead: 'queue.isAtStop',
    tests: ['test/unit/streams/suite/records.test.ts'],
  },
  {
    name: 'pieceLettersMax',
    file: 'src/streams/letters/letters.ts',
    text: 'i - from === pieceLettersMax',
    instead: 'i - from === 2 * pieceLettersMax',
    tests: ['test/unit/streams/letters.test.ts'],
  },
  {
    name: 'pieceBytesMax',
    file: 'src/streams/letters/letters.ts',
    text: 'bytes + entry.bytes > pieceBytesMax',
    instead: 'bytes + entry.bytes > 2 * pieceBytesMax',
    tests: ['test/unit/streams/letters.test.ts'],
  },
  {
    name: 'leftShownMax',
    file: 'src/cli/dlq.ts',
    text: '.slice(0, leftShownMax)',
    instead: '.slice(0, 2 * leftShownMax)',
    tests: ['test/unit/cli/dlq.test.ts'],
  },
]
