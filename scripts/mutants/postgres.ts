/** Mutants of sinks into PostgreSQL: their bounds, and the rules of what is written. */
import type { Mutant } from './mutant.ts'

const chunk = 'src/postgres/chunk.ts'
const settings = 'src/postgres/settings.ts'
const chunks = ['test/unit/postgres/chunks.test.ts']
const database = ['test/unit/postgres/database.test.ts']
const declaring = ['test/unit/postgres/declaring.test.ts']
const taking = ['test/unit/postgres/taking.test.ts']
const writing = ['test/unit/postgres/writing.test.ts']

export const postgresMutants: readonly Mutant[] = [
  {
    name: 'postgres: a server that is silent is asked no more',
    file: 'src/postgres/database.ts',
    text: "isSqlFailure(failure, 'away') || isSqlFailure(failure, 'refused')",
    instead: 'false',
    tests: database,
  },
  {
    name: 'postgres: a text that is cut within a character is refused',
    file: 'src/postgres/column-types.ts',
    text: 'text.isWellFormed()',
    instead: 'text.length >= 0',
    tests: taking,
  },
  {
    name: 'postgres: hexBytes',
    file: 'src/postgres/column-types.ts',
    text: "const parts = ['\\\\x']",
    instead:
      "let all = '\\\\x'; for (const byte of bytes) all += hex[byte]!; if (all !== '') return all; const parts = ['']",
    tests: taking,
  },
  {
    name: 'postgres: batchRecords',
    file: chunk,
    text: 'this.#records.length >= limits.records || ',
    instead: '',
    tests: chunks,
  },
  {
    name: 'postgres: batchBytes',
    file: chunk,
    text: ' || this.#bytes >= limits.bytes',
    instead: '',
    tests: chunks,
  },
  {
    name: 'postgres: batchBytes, what it is',
    file: settings,
    text: 'const batchBytes = 4 * 1024 * 1024',
    instead: 'const batchBytes = 64 * 1024 * 1024',
    tests: chunks,
  },
  {
    name: 'postgres: batchRecordsMax',
    file: settings,
    text: 'batchRecords, 1, batchRecordsMax, {',
    instead: 'batchRecords, 1, Infinity, {',
    tests: chunks,
  },
  {
    name: 'postgres: statementTimeoutMs',
    file: settings,
    text: 'statementTimeoutMs, 100, dayMs, {',
    instead: 'statementTimeoutMs, 0, Infinity, {',
    tests: chunks,
  },
  {
    name: 'postgres: locksPerRebalance',
    file: settings,
    text: 'times.rebalanceTimeoutMs / locksPerRebalance',
    instead: 'times.rebalanceTimeoutMs',
    tests: chunks,
  },
  {
    name: 'postgres: lettersPerSession',
    file: settings,
    text: 'times.sessionTimeoutMs / lettersPerSession',
    instead: 'times.sessionTimeoutMs',
    tests: chunks,
  },
  {
    name: 'postgres: idleTimeoutMs',
    file: settings,
    text: 'idleTimeoutMs: times.sessionTimeoutMs',
    instead: 'idleTimeoutMs: 0',
    tests: chunks,
  },
  {
    name: 'postgres: connectTimeoutMs',
    file: 'src/postgres/database.ts',
    text: 'connectionTimeoutMillis: connectTimeoutMs,',
    instead: '',
    tests: database,
  },
  {
    name: 'postgres: answerTimeoutMs',
    file: 'src/postgres/database.ts',
    text: 'query_timeout: answerTimeoutMs,',
    instead: '',
    tests: database,
  },
  {
    name: 'postgres: databaseWaitMs',
    file: 'src/postgres/run-sink.ts',
    text: 'clock.monotonic() + databaseWaitMs',
    instead: 'clock.monotonic() + 2 * databaseWaitMs',
    tests: database,
  },
  {
    name: 'postgres: nameBytesMax',
    file: 'src/postgres/sink.ts',
    text: 'bytes <= nameBytesMax && ',
    instead: '',
    tests: declaring,
  },
  {
    name: 'postgres: secondsMax',
    file: 'src/postgres/column-types.ts',
    text: ' && seconds <= secondsMax',
    instead: '',
    tests: taking,
  },
  {
    name: 'postgres: quietMs of discards',
    file: 'src/postgres/discard-counts.ts',
    text: ' || now < this.#nextAt',
    instead: '',
    tests: writing,
  },
  {
    name: 'postgres: a row is written once a statement',
    file: 'src/postgres/statements.ts',
    text: 'const last = lastOfKeys(changes)',
    instead: 'const last = changes',
    tests: writing,
  },
  {
    name: 'postgres: replays for others are written',
    file: chunk,
    text: 'value !== null && utf8String(value) !== sink',
    instead: 'value !== null && sink === undefined',
    tests: chunks,
  },
  {
    name: 'postgres: a topic made anew is read on',
    file: 'src/postgres/starts.ts',
    text: "if (isReplaced && policy.onTopicReplaced === 'stop')",
    instead: 'if (false)',
    tests: writing,
  },
]
