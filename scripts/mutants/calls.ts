/** Mutants of calls that go outside: their bounds, and what is done exactly once behind them. */
import type { Mutant } from './mutant.ts'

const stage = 'src/streams/task/calls/call-stage.ts'
const options = 'src/streams/topology/call-options.ts'
const inTurn = ['test/unit/streams/calls-in-turn.test.ts']
const tests = ['test/unit/streams/calls.test.ts']

export const calls: readonly Mutant[] = [
  {
    name: 'enteredRecordsMax',
    file: stage,
    text: 'return enteredRecordsMax - Math.max(this.#records, this.#calls)',
    instead: 'return 4 * enteredRecordsMax - Math.max(this.#records, this.#calls)',
    tests,
  },
  {
    name: 'enteredBytesMax',
    file: stage,
    text: 'this.#bytes >= enteredBytesMax',
    instead: 'this.#bytes >= 8 * enteredBytesMax',
    tests,
  },
  {
    name: 'enterRecords: room is asked for again and again',
    file: 'src/streams/task/task.ts',
    text: 'Math.min(limit, stage.room, enterRecords)',
    instead: 'Math.min(limit, stage.room)',
    tests,
  },
  {
    name: 'concurrency',
    file: 'src/streams/task/calls/call-limits.ts',
    text: 'if (this.#running >= this.#most) {',
    instead: 'if (this.#running > 2 * this.#most) {',
    tests,
  },
  {
    name: 'concurrencyMax',
    file: options,
    text: "whole('concurrency', concurrency, 1, concurrencyMax)",
    instead: "whole('concurrency', concurrency, 1, 2 * concurrencyMax)",
    tests,
  },
  {
    name: 'timeout of a call',
    file: 'src/streams/task/calls/call-deadlines.ts',
    text: 'at: this.#clock.monotonic() + this.#timeoutMs',
    instead: 'at: this.#clock.monotonic() + 1e6 * this.#timeoutMs',
    tests,
  },
  {
    name: 'backoffMaxMs',
    file: stage,
    text: 'Math.min(backoffMaxMs, backoffMs * 2 ** doublings)',
    instead: 'backoffMs * 2 ** doublings',
    tests,
  },
  {
    name: 'attempts',
    file: stage,
    text: 'return attempts < retry.attempts && retry.when(error)',
    instead: 'return attempts <= retry.attempts && retry.when(error)',
    tests,
  },
  {
    name: 'calls of a record count all together',
    file: stage,
    text: 'if (record === undefined || record.open > 0) break',
    instead: 'if (record === undefined || record.calls[0]?.isSettled === false) break',
    tests,
  },
  {
    name: 'what has not ended is not committed',
    file: 'src/streams/task/task.ts',
    text: 'return this.pipeline.stages.get(source.topic)?.pendingFrom ?? position',
    instead: 'return position',
    tests: ['test/unit/streams/suite/records.test.ts'],
  },
  {
    name: 'calls of one record count among those that have entered',
    file: stage,
    text: 'Math.max(this.#records, this.#calls)',
    instead: 'this.#records',
    tests: inTurn,
  },
  {
    name: 'letters wait for the calls before them',
    file: stage,
    text: 'if (this.isBusy) this.#recordAtHand().failures = discards.interrupt()',
    instead: 'if (this.isBusy) discards.end()',
    tests: inTurn,
  },
  {
    name: 'marks wait for the calls before them',
    file: stage,
    text: 'if (this.isBusy) this.#recordAtHand().inTurn = what',
    instead: 'if (this.isBusy) what()',
    tests: inTurn,
  },
  {
    name: 'slots that are given up reach those who wait',
    file: 'src/streams/task/calls/call-limits.ts',
    text: 'while (this.#running < this.#most) {',
    instead: 'if (this.#running < this.#most) {',
    tests: inTurn,
  },
  {
    name: 'overMax',
    file: 'src/streams/task/calls/call-deadlines.ts',
    text: 'const overMax = 1_024',
    instead: 'const overMax = 1_048_576',
    tests: inTurn,
  },
]
