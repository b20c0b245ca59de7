/**
 * `node bench/compare.ts BEFORE AFTER [airline|large|produce|count …]`: two checkouts of the project side by
 * side, each a directory with its dependencies installed. In every round both run, each time another one
 * first, so that what else the machine does harms both alike. All four take under ten minutes on two cores:
 *
 *   airline  the example with 300,000 flights      large  with 3,000,000
 *   produce  Kafka's producer-perf-test (Java)     count  3,000,000 records counted by key, exactly once
 *
 * Prints the rate, the CPU time of the process measured (the broker's, the service's, the example's), and
 * AFTER's share of BEFORE's CPU time, round by round: over 1 is slower. CPU time is what to look at; a
 * machine that is not quiet shows in the spread of the rates.
 */
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { freshDirectory, runAirline, startBroker } from './headwater.ts'
import { median, spread, usageOf } from './measure.ts'
import { producerPerf } from './producer-perf.ts'
import { digestOf } from './streams/digest.ts'
import { createTopics, loadPayments, untilCommitted } from './streams/payments.ts'
import { startService } from './streams/service-process.ts'

interface Sample {
  readonly perSecond: number
  readonly cpuMicros: number
}

interface Case {
  readonly title: string
  readonly rounds: number
  /** Measures the checkout in a directory once. */
  run(home: string): Promise<Sample>
}

const cases: Readonly<Record<string, Case>> = {
  airline: { title: 'example, 300,000 flights', rounds: 6, run: (home) => airline(home, 300_000) },
  large: {
    title: 'example, 3,000,000 flights',
    rounds: 4,
    run: (home) => airline(home, 3_000_000),
  },
  produce: { title: 'produce, 400,000 records of 1 KiB', rounds: 4, run: produce },
  count: { title: 'count, 3,000,000 records, 100,000 keys', rounds: 4, run: count },
}

const [before, after, ...wanted] = process.argv.slice(2)
if (before === undefined || after === undefined) {
  throw new Error('usage: node bench/compare.ts BEFORE AFTER [airline|large|produce|count …]')
}
for (const name of wanted.length > 0 ? wanted : Object.keys(cases)) {
  const one = cases[name]
  if (one === undefined) throw new Error(`there is no '${name}': ${Object.keys(cases).join(', ')}`)
  await compare(one, [resolve(before), resolve(after)])
}

async function compare(one: Case, homes: readonly [string, string]): Promise<void> {
  const samples: [Sample[], Sample[]] = [[], []]
  for (let round = 0; round < one.rounds; round++) {
    for (const turn of [0, 1]) {
      const side = (round + turn) % 2
      samples[side]!.push(await one.run(homes[side]!))
    }
  }
  console.log(`${one.title}, ${one.rounds} rounds: median (min–max)`)
  for (const [side, label] of ['before', 'after'].entries()) {
    const rates = samples[side]!.map(({ perSecond }) => perSecond)
    const cpu = samples[side]!.map(({ cpuMicros }) => cpuMicros)
    console.log(`  ${label.padEnd(7)} ${spread(rates)} a second, CPU ${spread(cpu, 2)} µs each`)
  }
  const shares = samples[1].map(({ cpuMicros }, round) => cpuMicros / samples[0][round]!.cpuMicros)
  const verdict = median(shares) <= 1.05 ? 'within 5 %' : 'MORE THAN 5 % SLOWER'
  console.log(`  after/before by CPU ×${spread(shares, 3)}: ${verdict}`)
}

async function airline(home: string, flights: number): Promise<Sample> {
  const directory = freshDirectory()
  try {
    const { result, usage } = await runAirline(directory, flights, home)
    if (result.flights !== flights) throw new Error(`${result.flights} flights, not ${flights}`)
    return {
      perSecond: result.flightsPerSecond,
      cpuMicros: (usage.cpuSeconds / flights) * 1e6,
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function produce(home: string): Promise<Sample> {
  const records = 400_000
  const broker = await startBroker([], home)
  try {
    await createTopics(broker.port, ['produced'])
    const cpuBefore = usageOf(broker.pid).cpuSeconds
    const { perSecond } = await producerPerf(broker.port, 'produced', records)
    const cpuSeconds = usageOf(broker.pid).cpuSeconds - cpuBefore
    return { perSecond, cpuMicros: (cpuSeconds / records) * 1e6 }
  } finally {
    await broker.stop()
  }
}

async function count(home: string): Promise<Sample> {
  const records = 3_000_000
  const broker = await startBroker([], home)
  const child = startService('count', broker.port, { home })
  try {
    const loaded = await loadPayments(broker.port, records, 100_000)
    await child.says('ready')
    const cpuBefore = usageOf(child.pid).cpuSeconds
    const started = performance.now()
    child.tell('go')
    await untilCommitted(broker.port, 'counting', records)
    const seconds = (performance.now() - started) / 1000
    const cpuSeconds = usageOf(child.pid).cpuSeconds - cpuBefore
    await child.says('running')
    child.tell('tell')
    const { digest } = JSON.parse(await child.line()) as { digest: string }
    if (digest !== digestOf(loaded.all)) throw new Error(`${home} counts wrongly: ${digest}`)
    await child.end()
    return { perSecond: records / seconds, cpuMicros: (cpuSeconds / records) * 1e6 }
  } finally {
    child.kill()
    await broker.stop()
  }
}
