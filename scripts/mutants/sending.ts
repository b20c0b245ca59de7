/** Mutants of sending: its bounds, and what may be told of an event. */
import type { Mutant } from './mutant.ts'

const producer = 'src/client/producer/delivering-producer.ts'
const transactions = 'src/streams/sending/transactions.ts'
const delivering = ['test/unit/client/delivering-producer.test.ts']
const faults = ['test/unit/client/delivering-faults.test.ts']
const callers = ['test/unit/streams/sending-faults.test.ts']
const suite = ['test/unit/streams/suite/sending.test.ts']
const away = ['test/unit/streams/suite/sending-away.test.ts']

export const sending: readonly Mutant[] = [
  {
    name: 'headersBytesMax',
    file: 'src/streams/operators/source-record.ts',
    text: 'if (bytes <= headersBytesMax) return',
    instead: 'if (bytes >= 0) return',
    tests: ['test/unit/streams/headers.test.ts'],
  },
  {
    name: 'headersBytesMax, of commands',
    file: 'src/streams/operators/decide.ts',
    text: 'headers = atHand.headers()',
    instead: 'headers = undefined',
    tests: ['test/unit/commands/hostile.test.ts'],
  },
  {
    name: 'bufferBytesMax',
    file: producer,
    text: 'if (this.#heldBytes + sizeBytes + deliveryBytes > this.#o.bufferBytesMax) return false',
    instead: 'if (this.#heldBytes < 0) return false',
    tests: delivering,
  },
  {
    name: 'what is kept for each event counts in bufferBytesMax',
    file: producer,
    text: 'const deliveryBytes = 256',
    instead: 'const deliveryBytes = 0',
    tests: away,
  },
  {
    name: 'what may be stored is not sent under another id',
    file: producer,
    text: 'if (batch.isUncertain) this.#fail(batch, overtakenError(batch))',
    instead: 'if (batch.order < 0) this.#fail(batch, overtakenError(batch))',
    tests: delivering,
  },
  {
    name: 'deliveryTimeoutMs, of what waits behind others',
    file: producer,
    text: 'this.#expiry = clock.after(Math.max(1, delayMs), () => {',
    instead: 'this.#expiry = clock.after(Math.max(1, delayMs * 20), () => {',
    tests: away,
  },
  {
    name: 'a broker that gave no answer may have stored it',
    file: 'src/client/producer/sender.ts',
    text: 'if (hasLeft) batch.isUncertain = true',
    instead: 'if (!hasLeft) batch.isUncertain = true',
    tests: away,
  },
  {
    name: 'an answer that may follow an append',
    file: 'src/client/producer/sender.ts',
    text: 'if (mayFollowAppend(result)) batch.isUncertain = true',
    instead: 'if (code < -2) batch.isUncertain = true',
    tests: delivering,
  },
  {
    name: 'messageBytesMax',
    file: 'src/streams/sending/encode.ts',
    text: 'if (sizeBytes <= most) return record',
    instead: 'if (sizeBytes <= most * 2) return record',
    tests: suite,
  },
  {
    name: 'only the owner sends',
    file: 'src/streams/sending/encode.ts',
    text: 'if (owner !== service) {',
    instead: "if (owner === '') {",
    tests: suite,
  },
  {
    name: 'transactionsWaitingMax',
    file: transactions,
    text: 'if (this.#waiting > settings.transactionsWaitingMax) {',
    instead: 'if (this.#waiting < 0) {',
    tests: suite,
  },
  {
    name: 'transactions one at a time',
    file: transactions,
    text: 'await inTime(before).catch(rejectAs(false))',
    instead: 'await inTime(Promise.resolve()).catch(rejectAs(false))',
    tests: suite,
  },
  {
    name: 'deliveryTimeoutMs of a transaction',
    file: transactions,
    text: 'deadline.after(settings.deliveryTimeoutMs, tooLate(settings.deliveryTimeoutMs))',
    instead: 'deadline.after(settings.deliveryTimeoutMs * 9, tooLate(settings.deliveryTimeoutMs))',
    tests: suite,
  },
  {
    name: 'closeTimeoutMs of a producer',
    file: 'src/streams/sending/event-sender.ts',
    text: 'const timer = this.#cluster.clock.after(closeTimeoutMs, late.resolve)',
    instead: 'const timer = this.#cluster.clock.after(closeTimeoutMs * 20, late.resolve)',
    tests: away,
  },
  {
    name: 'once one of a list was too late no other is begun',
    file: 'src/streams/sending/event-sender.ts',
    text: "if (error.code === 'timeout') last = error",
    instead: "if (error.code === 'fenced') last = error",
    tests: away,
  },
  {
    name: 'bufferBytesMax of one event',
    file: producer,
    text: 'if (sizeBytes + deliveryBytes > this.#o.bufferBytesMax) {',
    instead: 'if (sizeBytes < 0) {',
    tests: faults,
  },
  {
    name: 'bufferBytesMax of a transaction',
    file: transactions,
    text: 'if (this.#heldBytes > settings.bufferBytesMax) {',
    instead: 'if (this.#heldBytes > settings.bufferBytesMax * 100) {',
    tests: callers,
  },
  {
    name: 'knownMsMax',
    file: 'src/client/producer/sender.ts',
    text: 'const knownMsMax = 600_000',
    instead: 'const knownMsMax = 600_000_000',
    tests: faults,
  },
  {
    name: 'a pause between producer ids that the broker does not know',
    file: producer,
    text: 'if (this.#restarts++ > 0) await sleep(clock, backoffMs(this.#restarts, random))',
    instead: 'this.#restarts++',
    tests: faults,
  },
]
