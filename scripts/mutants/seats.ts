/** Mutants of the example that books seats: what its web application takes, and what its services decide. */
import type { Mutant } from './mutant.ts'

const web = ['test/seats/web.test.ts']
const decisions = ['test/seats/booking.test.ts']

export const seatsMutants: readonly Mutant[] = [
  {
    name: 'seats: nameCharsMax',
    file: 'examples/seats/web.ts',
    text: 'text.length <= nameCharsMax',
    instead: 'text.length >= 0',
    tests: web,
  },
  {
    name: 'seats: bodyBytesMax',
    file: 'examples/seats/web.ts',
    text: 'maxSize: bodyBytesMax',
    instead: 'maxSize: 1 << 30',
    tests: web,
  },
  {
    name: 'seats: readersMax',
    file: 'examples/seats/live.ts',
    text: 'this.#readers.size >= readersMax',
    instead: 'this.#readers.size < 0',
    tests: web,
  },
  {
    name: 'seats: pages that leave make room',
    file: 'examples/seats/live.ts',
    text: '() => this.#readers.delete(reader)',
    instead: '() => undefined',
    tests: web,
  },
  {
    name: 'seats: who asks for headers alone is no page',
    file: 'examples/seats/web.ts',
    text: "c.req.method === 'HEAD'",
    instead: 'false',
    tests: web,
  },
  {
    name: 'seats: pages that read before the feed began connect anew',
    file: 'examples/seats/live.ts',
    text: ' || this.#from === undefined',
    instead: '',
    tests: web,
  },
  {
    name: 'seats: the feed goes on where it was',
    file: 'examples/seats/live.ts',
    text: 'this.#from = item.id',
    instead: 'this.#from = undefined',
    tests: web,
  },
  {
    name: 'seats: a map that is no newer is passed over',
    file: 'examples/seats/live.ts',
    text: 'map.version <= this.#version',
    instead: 'map.version < 0',
    tests: web,
  },
  {
    name: 'seats: no seat is booked twice',
    file: 'examples/seats/booking.ts',
    text: "if (taken[wanted] !== undefined) return reject('seat-taken')",
    instead: '',
    tests: decisions,
  },
  {
    name: 'seats: nobody gives back what is not theirs',
    file: 'examples/seats/booking.ts',
    text: 'taken[seat] !== passenger',
    instead: 'taken[seat] === undefined',
    tests: decisions,
  },
]
