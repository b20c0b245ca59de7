/**
 * `npm run chaos -- --seed N`: a service of three processes and a broker, killed, frozen, cut off, replaced
 * and scaled while records flow; then plain reads say whether every one of them counted once.
 *
 *   --seeds M            so many seeds, one after the other, from --seed on (1)
 *   --seconds S          seconds of harm a seed (25)
 *   --faults a,b         these only; without it all that test/chaos/faults.ts has
 *   --broker host:port   a cluster of one broker that holds nothing, such as Apache Kafka; it is not harmed
 *   --stall-max MS       a longer standstill with no more than one fault behind it is a failure
 *   --planted NAME       a fault of src/base/planted.ts in the workers, to see that it is found
 *   --json               one line of JSON a seed on standard output
 *
 * Progress goes to standard error. Exit codes: 0 everything held, 1 something did not, 2 the test itself
 * could not go on. A seed fixes which faults come and when; what they hit is also a matter of time.
 */
import { parseArgs } from 'node:util'
import { parseAddress } from '../src/base/address.ts'
import type { PlantedFault, PlantedInBroker } from '../src/base/planted.ts'
import type { Address } from '../test/chaos/addresses.ts'
import type { FaultName } from '../test/chaos/faults.ts'
import { faultNames } from '../test/chaos/faults.ts'
import { isWhole, play } from '../test/chaos/play.ts'
import type { Outcome } from '../test/chaos/play.ts'
import { stallText } from '../test/chaos/stalls.ts'

/** Faults of services: the broker is not a worker. */
const plantedNames: Readonly<Record<Exclude<PlantedFault, PlantedInBroker>, true>> = {
  'restore-to-last-stable': true,
  'keep-state-of-another': true,
  'commit-without-generation': true,
  'rejoin-while-closing': true,
  'producer-error-as-operator-failed': true,
  'turns-by-records-only': true,
  'wait-for-transaction-timeout': true,
  'fence-successor': true,
  'ignore-store-identity': true,
  'window-by-own-maximum': true,
  'commit-before-calls': true,
  'answer-by-old-tasks': true,
  'decide-again': true,
}

const stop = new AbortController()
process.on('SIGINT', () => stop.abort(new Error('stopped by Ctrl-C')))
process.on('SIGTERM', () => stop.abort(new Error('stopped by SIGTERM')))

try {
  process.exit(await main())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(2)
}

async function main(): Promise<number> {
  const o = options()
  let failures = 0
  for (let seed = o.seed; seed < o.seed + o.seeds; seed++) {
    const outcome = await play({ ...o, seed, signal: stop.signal, onProgress: console.error })
    const isStalled = (outcome.longestStallAlone?.ms ?? 0) > o.stallMaxMs
    const isRight = isWhole(outcome) && !isStalled
    if (!isRight) failures++
    if (o.json) console.log(JSON.stringify(asLine(outcome, isRight)))
    report(outcome, isRight, isStalled)
    if (!isRight) console.error(`\nto see it again: npm run chaos -- ${again(seed)}`)
  }
  return failures === 0 ? 0 : 1
}

function options() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '25' },
      faults: { type: 'string' },
      broker: { type: 'string' },
      'stall-max': { type: 'string' },
      planted: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const stallMax = values['stall-max']
  return {
    seed: whole('--seed', values.seed),
    seeds: whole('--seeds', values.seeds),
    seconds: whole('--seconds', values.seconds),
    faults: values.faults === undefined ? faultsFor(values.broker) : chosen(values.faults),
    broker: values.broker === undefined ? undefined : address(values.broker),
    stallMaxMs: stallMax === undefined ? Infinity : whole('--stall-max', stallMax),
    planted: values.planted === undefined ? undefined : planted(values.planted),
    json: values.json,
  }
}

function whole(name: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new Error(`${name} is '${text}': give a whole number from 1 on`)
}

/** Another's broker is not harmed. */
function faultsFor(broker: string | undefined): readonly FaultName[] {
  return faultNames.filter((name) => broker === undefined || name !== 'broker')
}

function chosen(text: string): readonly FaultName[] {
  const names = text.split(',')
  const unknown = names.find((name) => !(faultNames as readonly string[]).includes(name))
  if (unknown === undefined) return names as FaultName[]
  throw new Error(`there is no fault '${unknown}': choose of ${faultNames.join(', ')}`)
}

function address(text: string): Address {
  const { host, port } = parseAddress(text) ?? {}
  if (host === undefined || !port) throw new Error(`--broker is '${text}': write host:port`)
  return { host, port }
}

function planted(text: string): PlantedFault {
  if (text in plantedNames) return text as PlantedFault
  throw new Error(`no fault '${text}' can be planted: ${Object.keys(plantedNames).join(', ')}`)
}

function asLine({ verdict, ...rest }: Outcome, isRight: boolean) {
  const wrong = [...verdict.wrong, ...rest.wrong]
  return { ok: isRight, ...rest, ...verdict, wrong, lastEvents: undefined }
}

function report(outcome: Outcome, isRight: boolean, isStalled: boolean): void {
  const { seed, verdict, wrong, faults, records, longestStall, longestStallAlone } = outcome
  const list = Object.entries(faults).map(([name, count]) => `${count} ${name}`)
  const held = isRight ? 'holds' : 'DOES NOT HOLD'
  console.error(`seed ${seed} ${held}: ${records} records, ${list.join(', ')}`)
  console.error(
    `  lost ${verdict.lost}, doubled ${verdict.doubled}, wrong counts ${verdict.wrongCounts}, ` +
      `wrong sums ${verdict.wrongSums}; drained in ${(outcome.drainedMs / 1_000).toFixed(1)} s`,
  )
  if (longestStall) console.error(`  longest standstill: ${stallText(longestStall)}`)
  if (longestStallAlone) console.error(`  with one fault at most: ${stallText(longestStallAlone)}`)
  if (isRight) return
  console.error(`\nthe last events:\n${outcome.lastEvents.join('\n')}`)
  console.error(
    `\nwhat is wrong:\n${[...verdict.wrong, ...wrong].map((each) => `  ${each}`).join('\n')}`,
  )
  if (isStalled) console.error('  the standstill is longer than --stall-max')
  if (outcome.directory) console.error(`logs: ${outcome.directory}`)
}

/** The arguments that give this run again. */
function again(seed: number): string {
  const args = process.argv.slice(2).join(' ')
  return `--seed ${seed} ${args.replace(/--seeds?[ =]\S+/g, '')}`.replace(/ +/g, ' ').trim()
}
