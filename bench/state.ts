/**
 * `node bench/state.ts [seconds]`: what it costs to encode and to decode a value of state, in nanoseconds of
 * one thread, beside JSON.
 */
import { Writer } from '../src/base/bytes.ts'
import { plainCodec } from '../src/streams/stores/plain.ts'
import { spread } from './measure.ts'

const seconds = Number(process.argv[2] ?? 1)
const rounds = 5
const distinct = 1000

const values: Record<string, (n: number) => unknown> = {
  'a number': (n) => n,
  '{ n, sum }': (n) => ({ n, sum: n * 1.5 }),
  'five fields': (n) => ({ id: `id ${n}`, n, sum: n / 3, seen: true, at: new Date(n) }),
  'nested, with a list': (n) => ({ totals: { n, sum: n * 2 }, last: [n, n + 1, n + 2] }),
}

for (const [name, make] of Object.entries(values)) {
  const made = Array.from({ length: distinct }, (_, n) => make(n))
  const stored = made.map(encoded)
  const texts = made.map((value) => JSON.stringify(value))
  const writer = new Writer(1024)
  console.log(`${name}, ${stored[distinct - 1]!.length} bytes`)
  measure('encode', (i) => {
    writer.at = 0
    plainCodec.encode(made[i], writer)
    return writer.at
  })
  measure('decode', (i) => plainCodec.decode(stored[i]!, 0, stored[i]!.length))
  measure('JSON.stringify', (i) => JSON.stringify(made[i]))
  measure('JSON.parse', (i) => JSON.parse(texts[i]!))
}

function encoded(value: unknown): Uint8Array {
  const writer = new Writer()
  plainCodec.encode(value, writer)
  return writer.finish()
}

/** Calls `work` for all values again and again; the first round warms up. */
function measure(what: string, work: (index: number) => unknown): void {
  const perCall: number[] = []
  let last: unknown
  for (let round = 0; round <= rounds; round++) {
    const started = performance.now()
    let calls = 0
    while (performance.now() - started < (seconds * 1000) / rounds) {
      for (let i = 0; i < distinct; i++) last = work(i)
      calls += distinct
    }
    if (round > 0) perCall.push(((performance.now() - started) * 1e6) / calls)
  }
  if (last === undefined) throw new Error(`${what} made nothing`)
  console.log(`  ${what.padEnd(16)} ${spread(perCall)} ns`)
}
