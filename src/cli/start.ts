/**
 * `headwater start`: the airline example in one process. It loads, shows what the services are doing, reads
 * back what they stored and stays up for queries and Kafka clients until Ctrl-C.
 */
import { HeadwaterError } from '../base/errors.ts'
import { countRecords } from './count.ts'
import { loadAirline } from './example.ts'
import type { AirlineExample } from './example.ts'
import { Host } from './host.ts'
import type { HostOptions } from './host.ts'
import { Lifetime } from './lifetime.ts'
import { print, printJson, printNote } from './output.ts'
import { Progress } from './progress.ts'
import type { Snapshot } from './progress.ts'
import { drawNextSteps, drawResult } from './result.ts'
import type { AirlineResult } from './result.ts'

export interface StartOptions extends HostOptions {
  readonly flights: number
  readonly exit?: boolean
  readonly json?: boolean
}

export async function start(options: StartOptions): Promise<void> {
  const airline = await loadAirline()
  if (options.flights > airline.allFlights) {
    throw new HeadwaterError(
      'config-invalid',
      `--flights is ${options.flights}, but the file has ${airline.allFlights}: write a number up to that`,
    )
  }
  airline.checkInput()
  using lifetime = new Lifetime()
  await using host = await Host.open(options)
  const { directory } = placeOf(options)
  const data = directory === undefined ? '' : `, data ${directory}`
  printNote(`Kafka ${host.kafka}, queries ${host.queryUrl}${data}`)
  const seconds = await load(host, airline, { options, lifetime })
  const result = await lifetime.unlessOver(readBack(host, airline, seconds))
  if (options.json) printJson(result)
  else show(result, host, options)
  if (!options.exit) await Promise.race([lifetime.over, host.failed])
}

/** Runs the services until everything is processed, showing progress; how many seconds that took. */
async function load(
  host: Host,
  airline: AirlineExample,
  { options, lifetime }: { readonly options: StartOptions; readonly lifetime: Lifetime },
): Promise<number> {
  const started = performance.now()
  const stages = airline.stages(options.flights)
  const names = stages.flat().map(({ name }) => name)
  using _progress = new Progress(() => snapshot(host, airline, names, options.flights))
  await lifetime.unlessOver(Promise.race([runStages(host, stages), host.failed]))
  return (performance.now() - started) / 1000
}

async function runStages(host: Host, stages: ReturnType<AirlineExample['stages']>): Promise<void> {
  for (const stage of stages) {
    await Promise.all(stage.map((service) => host.start(service)))
    await host.caughtUp()
  }
}

function snapshot(
  host: Host,
  { flights }: AirlineExample,
  names: readonly string[],
  total: number,
): Snapshot {
  const done = host.inputRecords(flights.loader)
  return {
    load: { what: 'flights', done, total: Math.max(done, total) },
    services: host.progress(names),
  }
}

/** Counts what is stored, in the topics and in the tables of the board. */
async function readBack(
  host: Host,
  airline: AirlineExample,
  seconds: number,
): Promise<AirlineResult> {
  const { flights, disruptions, board } = airline
  const [flightCount, disruptionCount] = await host.withCluster((cluster) =>
    Promise.all([countRecords(cluster, flights.topic), countRecords(cluster, disruptions.topic)]),
  )
  const { airportDays, worst } = airline.summary(host.views(board))
  const processed = host.stats(flights.counter).recordsIn
  return {
    flights: flightCount,
    disruptions: disruptionCount,
    airportDays,
    seconds: Math.round(seconds * 1000) / 1000,
    flightsPerSecond: Math.round(processed / seconds),
    worst,
  }
}

function placeOf({ broker, dir }: StartOptions): { readonly directory?: string } {
  return broker === undefined ? { directory: dir } : {}
}

function show(result: AirlineResult, host: Host, options: StartOptions): void {
  const [example] = result.worst
  print(['', ...drawResult(result)].join('\n'))
  if (result.flights > options.flights) {
    print(`(this directory held more than --flights ${options.flights} before; nothing is removed)`)
  }
  if (options.exit) return
  const { kafka, queryUrl } = host
  print(['', ...drawNextSteps({ kafka, queryUrl, example, ...placeOf(options) })].join('\n'))
  print('\nCtrl-C stops it; started again, it goes on from here.')
}
