/**
 * The airline example in one process. It loads, shows what the services are doing, reads back what they
 * stored and stays up for queries and Kafka clients until Ctrl-C.
 */
import { HeadwaterError } from '../../src/index.ts'
import { Host, Lifetime, Progress, print, printJson } from '../../src/cli/index.ts'
import type { HostOptions } from '../../src/cli/index.ts'
import { airports } from './airports.ts'
import { board } from './board.ts'
import { Disruptions, Flights } from './contracts.ts'
import { disruption } from './disruption.ts'
import { operations } from './operations.ts'
import { punctuality } from './punctuality.ts'
import { drawNextSteps, drawResult } from './result.ts'
import type { AirlineResult } from './result.ts'
import { sourceFile } from './source-files.ts'
import { worstAirports } from './worst.ts'

/** How many flights there are in all. */
const allFlights = 3_000_000

export interface StartOptions extends HostOptions {
  readonly flights: number
  readonly exit?: boolean
}

export async function start(options: StartOptions): Promise<void> {
  if (options.flights > allFlights) {
    throw new HeadwaterError(
      'config-invalid',
      `--flights is ${options.flights}, but the file has ${allFlights}: write a number up to that`,
    )
  }
  sourceFile('airports.csv')
  sourceFile('flights-3m.parquet')
  using lifetime = new Lifetime()
  await using host = await lifetime.unlessOver(Host.open(options))
  const data = options.broker === undefined ? `, data ${options.dir}` : ''
  host.log.info({}, `Kafka ${host.kafka}, queries ${host.queryUrl}${data}`)
  const loaded = await load(host, options.flights, lifetime)
  const result = await lifetime.unlessOver(readBack(host, loaded))
  if (options.json) printJson(result)
  else show(result, host, options)
  if (!options.exit) await Promise.race([lifetime.over, host.failed])
}

/** Runs the services until everything is processed, showing progress; how many seconds that took. */
async function load(host: Host, flights: number, lifetime: Lifetime) {
  const started = performance.now()
  const loader = operations(flights)
  const services = [loader, disruption, punctuality, board] as const
  const names = [airports, ...services].map(({ name }) => name)
  using _progress = new Progress(() => {
    const done = host.inputRecords(loader.name)
    const load = { what: 'flights', done, total: Math.max(done, flights) }
    return { load, services: host.progress(names) }
  }, host.log)
  const running = async () => {
    // A flight is joined with its airport as it is known then, so the airports must be known first.
    const first = await host.start([airports], lifetime)
    await first.caughtUp()
    const app = await host.start(services, lifetime)
    await app.caughtUp()
    return app
  }
  const app = await lifetime.unlessOver(Promise.race([running(), host.failed]))
  return { app, seconds: (performance.now() - started) / 1000 }
}

/** Counts what is stored, in the topics and in the tables of the board. */
async function readBack(
  host: Host,
  { app, seconds }: Awaited<ReturnType<typeof load>>,
): Promise<AirlineResult> {
  const [flights, disruptions] = await host.countRecords([Flights.name, Disruptions.name])
  const { airports, airportDays } = app.query.board
  const airportOf = new Map(await Array.fromAsync(airports.scan()))
  const days = (await Array.fromAsync(airportDays.scan())).map(([, day]) => day)
  return {
    flights: flights!,
    disruptions: disruptions!,
    airportDays: days.length,
    seconds: Math.round(seconds * 1000) / 1000,
    flightsPerSecond: Math.round(app.stats().punctuality.recordsIn / seconds),
    worst: worstAirports(days, airportOf, 10),
  }
}

function show(result: AirlineResult, host: Host, options: StartOptions): void {
  const [example] = result.worst
  print(['', ...drawResult(result)].join('\n'))
  if (result.flights > options.flights) {
    print(`(this directory held more than --flights ${options.flights} before; nothing is removed)`)
  }
  if (options.exit) return
  const { kafka, queryUrl } = host
  const place = options.broker === undefined ? { directory: options.dir } : {}
  print(['', ...drawNextSteps({ kafka, queryUrl, example, ...place })].join('\n'))
  print('\nCtrl-C stops it; started again, it goes on from here.')
}
