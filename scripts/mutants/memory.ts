/** Mutants of the broker: what keeps memory for those who behave. */
import type { Mutant } from './mutant.ts'

const memory = ['test/unit/broker/connection-memory.test.ts']
const growing = ['test/unit/broker/growing-answers.test.ts']

export const memoryOfBroker: readonly Mutant[] = [
  {
    name: 'memoryBytesMax',
    file: 'src/broker/memory.ts',
    text: 'if (this.#usedBytes + bytes > bytesMax) return false',
    instead: 'if (this.#usedBytes + bytes > 1e9 * bytesMax) return false',
    tests: memory,
  },
  {
    name: 'memoryPatienceMs',
    file: 'src/broker/memory.ts',
    text: 'const leftMs = since + this.#patienceMs - this.#clock.monotonic()',
    instead: 'const leftMs = since + 1e9 * this.#patienceMs - this.#clock.monotonic()',
    tests: memory,
  },
  {
    name: 'largeShareMax',
    file: 'src/broker/memory.ts',
    text: 'this.#largeBytes + bytes <= largeShareMax * bytesMax',
    instead: 'this.#largeBytes + bytes <= bytesMax',
    tests: memory,
  },
  {
    name: 'gatherBytesFirst',
    file: 'src/broker/server/connection.ts',
    text: 'if (partialSize <= gatherBytesFirst || this.#reservedBytes > 0) return true',
    instead: 'if (partialSize > 0) return true',
    tests: memory,
  },
  {
    name: 'paceBytes',
    file: 'src/broker/server/connection.ts',
    text: 'if (partialBytes >= this.#keptAtBytes + paceBytes',
    instead: 'if (partialBytes >= 1e9 * this.#keptAtBytes + paceBytes',
    tests: memory,
  },
  {
    name: 'pieceBytesMax',
    file: 'src/broker/server/outbox.ts',
    text: 'if (total <= pieceBytesMax) {',
    instead: 'if (total >= 0) {',
    tests: memory,
  },
  {
    name: 'smallBytesMax',
    file: 'src/broker/server/connection.ts',
    text: 'length <= smallBytesMax && !requests.isLarge(length)',
    instead: 'length < 0',
    tests: memory,
  },
  {
    name: 'a request whose client has left takes no memory',
    file: 'src/broker/server/pending.ts',
    text: '    if (this.#isOver) return\n    this.#heapBytes',
    instead: '    this.#heapBytes',
    tests: memory,
  },
  {
    name: 'the topics machine is not asked on for a client that is gone',
    file: 'src/broker/handlers/admin.ts',
    text: 'if (isGone) throw clientGone()',
    instead: 'if (isGone && many < 0) throw clientGone()',
    tests: growing,
  },
  {
    name: 'answerBytesMax',
    file: 'src/broker/server/pending.ts',
    text: 'if (hadBytes >= bytesMax) throw tooLarge(bytesMax)',
    instead: 'if (hadBytes >= 1e9 * bytesMax) throw tooLarge(bytesMax)',
    tests: growing,
  },
  {
    name: 'an answer that waits for more room holds none',
    file: 'src/broker/server/pending.ts',
    text: 'if (hadBytes >= bytesMax) throw tooLarge(bytesMax)\n    this.keep(0)',
    instead: 'if (hadBytes >= bytesMax) throw tooLarge(bytesMax)',
    tests: growing,
  },
]
