/** Mutants of what is looked at in records before they are stored, and when. */
import type { Mutant } from './mutant.ts'

const records = ['test/unit/broker/records.test.ts']
const recordCheck = ['test/unit/broker/record-check.test.ts']

export const recordMutants: readonly Mutant[] = [
  {
    name: 'max.message.bytes',
    file: 'src/broker/serving/partition.ts',
    text: 'if (sizeBytes <= messageBytesMax) return undefined',
    instead: 'if (sizeBytes >= 0) return undefined',
    tests: ['test/unit/broker/produce.test.ts'],
  },
  {
    name: 'message.timestamp.after.max.ms',
    file: 'src/broker/serving/partition.ts',
    text: 'const newest = logAppendTime ? Infinity : now + timestampAfterMsMax',
    instead: 'const newest = timestampAfterMsMax < 0 ? now : Infinity',
    tests: ['test/unit/broker/produce.test.ts'],
  },
  {
    name: 'records are looked into',
    file: 'src/broker/serving/record-check.ts',
    text: "if (planted.has('trust-batch-headers')) return",
    instead: "if (!planted.has('trust-batch-headers')) return",
    tests: records,
  },
  {
    name: 'unfoldedBytesMax',
    file: 'src/broker/serving/record-check.ts',
    text: 'bytesMax: this.#bounds.unfoldedBytesMax,',
    instead: 'bytesMax: 1000 * this.#bounds.unfoldedBytesMax,',
    tests: records,
  },
  {
    name: 'recordErrorsMax',
    file: 'src/records/walk.ts',
    text: 'if (this.#unfit.length < this.#unfitMax) ',
    instead: '',
    tests: records,
  },
  {
    name: 'lookUpsMax',
    file: 'src/broker/broker.ts',
    text: 'new Gate(config.lookUpsMax)',
    instead: 'new Gate(100 * config.lookUpsMax)',
    tests: records,
  },
  {
    name: 'unfoldedBytesMax of a batch that is looked up',
    file: 'src/log/segments/times.ts',
    text: 'const bounds = { bytesMax: unfoldedBytesMax, ',
    instead: 'const bounds = { bytesMax: Infinity + 0 * unfoldedBytesMax, ',
    tests: ['test/unit/log/times.test.ts'],
  },
  {
    name: 'max.decompressed.message.bytes',
    file: 'src/broker/serving/partition.ts',
    text: "number('max.decompressed.message.bytes', Infinity)",
    instead: 'number === undefined ? 0 : Infinity',
    tests: records,
  },
  {
    name: 'a producer’s batches wait for the one that is looked at',
    file: 'src/broker/serving/record-check.ts',
    text: 'const before = this.#behind.get(peer)',
    instead: 'const before = this.#behind.get(this)',
    tests: records,
  },
  {
    name: 'work of a turn',
    file: 'src/broker/serving/record-check.ts',
    text: "if (this.#spent >= turnWorkMax) return 'in another turn'",
    instead: '',
    tests: recordCheck,
  },
  {
    name: 'slices of a large batch',
    file: 'src/broker/serving/record-check.ts',
    text: 'return this.#spent >= turnWorkMax ? this.#room() : undefined',
    instead: 'return this.#spent < 0 ? this.#room() : undefined',
    tests: recordCheck,
  },
  {
    name: 'one large batch at a time',
    file: 'src/broker/serving/record-check.ts',
    text: 'new Gate(1)',
    instead: 'new Gate(1_000)',
    tests: recordCheck,
  },
]
