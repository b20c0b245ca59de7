/** Mutants of calls that go outside: their bounds, and what is done exactly once behind them. */
import type { Mutant } from './mutant.ts'

const stage = 'src/streams/task/calls/call-stage.ts'
const options = 'src/streams/topology/call-options.ts'
const tests = ['test/unit/streams/calls.test.ts']

export const calls: readonly Mutant[] = [
  {
    name: 'enteredRecordsMax',
    file: stage,
    text: 'return enteredRecordsMax - this.#records',
    instead: 'return 4 * enteredRecordsMax - this.#records',
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
    text: 'if (!this.#entered[this.#applied + i]!.isSettled) return false',
    instead: 'if (!this.#entered[this.#applied]!.isSettled) return false',
    tests,
  },
  {
    name: 'what has not ended is not committed',
    file: 'src/streams/task/task.ts',
    text: 'return this.pipeline.stages.get(source.topic)?.pendingFrom ?? position',
    instead: 'return position',
    tests: ['test/unit/streams/suite/records.test.ts'],
  },
]
