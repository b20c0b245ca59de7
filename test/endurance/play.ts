/**
 * Clients of four families against a broker for as long as one likes, while it is stormed, killed, closed and
 * suspended. All that was acknowledged must be there once, where it was said to be, and be seen by a reader
 * of another family; the broker must stay within its memory and its descriptors, start whenever it is
 * started, and let go of those who have left.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { brokerDefaults } from '../../src/broker/config.ts'
import { drawInteger, seededDraw } from '../../src/testing/seed.ts'
import { BrokerProcess } from '../chaos/broker-process.ts'
import { createTopic, RawClient } from '../conformance/raw-client.ts'
import { families, familyNames } from './families.ts'
import { Reader, Writer } from './members.ts'
import { troubles, type Scene } from './troubles.ts'
import { heldBy, Peak } from './watch.ts'

/** What the process is besides its budget: code, heap, what the allocator keeps. */
const restMiB = 120
export const rssMiBMax = brokerDefaults.memoryBytesMax / 1024 / 1024 + restMiB
/** Segments, and what is neither segment nor connection. */
export const filesMax = 256 + 64
/** It listens, and Node has some for itself. */
const socketsAtRestMax = 8
const watchMs = 250
const pauseMsMax = 4_000
const readyMs = 60_000
const drainMs = 120_000
const restMs = 1_000

export interface EnduranceOptions {
  /** For the broker's data and its log. */
  readonly directory: string
  readonly seed: number
  readonly seconds: number
  /** Records a second of each writer, at most. */
  readonly rate: number
  readonly onTrouble?: (line: string) => void
  readonly onProgress?: (line: string) => void
}

export interface Endured {
  /** Records, by family. */
  readonly acknowledged: Readonly<Record<string, number>>
  /** Records that a client gave up by its own word, by family; they may be there or not. */
  readonly givenUp: Readonly<Record<string, number>>
  readonly troubles: Readonly<Record<string, number>>
  readonly readerStarts: number
  readonly longestStartMs: number
  readonly peak: Peak
  readonly socketsAtRest: number
  /** What does not hold; empty when all does. */
  readonly faults: readonly string[]
}

type Cast = Pick<Scene, 'broker' | 'writers' | 'readers'>

/** Throws when it cannot be tried here: what is missing on the machine is named. */
export async function endure(o: EnduranceOptions): Promise<Endured> {
  const faults: string[] = []
  const broker = new BrokerProcess(o.directory, (how) => faults.push(`the broker ended: ${how}`))
  const peak = new Peak()
  let last = ''
  const watching = setInterval(() => {
    const held = broker.isUp ? heldBy(broker.pid!) : undefined
    if (held !== undefined) peak.note(held, last)
  }, watchMs)
  const cast = { broker, writers: [] as Writer[], readers: [] as Reader[] }
  try {
    await enter(cast, o)
    const startsMs: number[] = []
    const tell = (line: string): void => {
      last = line
      o.onTrouble?.(line)
    }
    const befell = await befall({ ...cast, startsMs, tell }, o, faults)
    await settle(cast)
    const socketsAtRest = heldBy(broker.pid!)?.sockets ?? 0
    faults.push(...(await faultsOf(cast.writers, broker.address.port)))
    faults.push(...faultsHeld(peak, socketsAtRest))
    await broker.end('SIGTERM')
    return {
      acknowledged: ofEach(cast.writers, ({ ledger }) => ledger.acknowledged),
      givenUp: ofEach(cast.writers, ({ givenUp }) => givenUp),
      troubles: befell,
      readerStarts: sum(cast.readers.map(({ starts }) => starts)),
      longestStartMs: Math.max(0, ...startsMs),
      peak,
      socketsAtRest,
      faults,
    }
  } finally {
    clearInterval(watching)
    await Promise.all([...cast.writers, ...cast.readers].map((each) => each.kill()))
    broker.kill()
  }
}

/** Starts the broker, a writer of each family, and for each a reader of another. */
async function enter(
  cast: { broker: BrokerProcess; writers: Writer[]; readers: Reader[] },
  { rate, onTrouble: tell = () => {} }: EnduranceOptions,
): Promise<void> {
  const kinds = await families()
  await cast.broker.start()
  const { port } = cast.broker.address
  const address = `127.0.0.1:${port}`
  const admin = await RawClient.connect(port)
  for (const name of familyNames) await createTopic(admin, name, kinds[name].partitions)
  admin.close()
  const how = { address, rate, tell }
  cast.writers.push(...familyNames.map((name) => new Writer(name, kinds[name], how)))
  for (const [at, name] of familyNames.entries()) {
    const writer = cast.writers[(at + 1) % cast.writers.length]!
    cast.readers.push(new Reader(name, kinds[name], writer, address))
  }
}

/** One trouble after another, once every writer has written. Returns how many there were of each. */
async function befall(
  parts: Omit<Scene, 'draw'>,
  { seed, seconds, onProgress }: EnduranceOptions,
  faults: string[],
): Promise<Record<string, number>> {
  const { writers } = parts
  const ready = (): boolean => writers.every(({ ledger }) => ledger.acknowledged > 0)
  if (!(await until(ready, readyMs))) throw new Error(`not every writer writes: ${said(writers)}`)
  const draw = seededDraw(seed)
  const names = Object.keys(troubles)
  const counts: Record<string, number> = {}
  const end = performance.now() + seconds * 1_000
  while (performance.now() < end && faults.length === 0) {
    const name = names[drawInteger(draw, 0, names.length - 1)]!
    counts[name] = (counts[name] ?? 0) + 1
    await troubles[name]!({ ...parts, draw })
    faults.push(...writers.flatMap(({ fault }) => fault ?? []))
    onProgress?.(`${said(writers)}; ${sum(Object.values(counts))} troubles`)
    await sleep(drawInteger(draw, 0, pauseMsMax))
  }
  return counts
}

/** Ends the writers, gives their readers time to see everything, and ends those. */
async function settle({ writers, readers }: Cast): Promise<void> {
  await Promise.all(writers.map((each) => each.end()))
  await until(() => writers.every(({ ledger }) => ledger.unseen().length === 0), drainMs)
  await Promise.all(readers.map((each) => each.kill()))
  await sleep(restMs)
}

async function faultsOf(writers: readonly Writer[], port: number): Promise<string[]> {
  const faults: string[] = []
  for (const { ledger, topic, partitions } of writers) {
    faults.push(...(await ledger.judge(port, topic, partitions)))
  }
  return faults
}

function faultsHeld(peak: Peak, socketsAtRest: number): string[] {
  return [
    ...(peak.rssMiB > rssMiBMax ? [`RSS was ${peak.rssMiB.toFixed(0)} MiB: ${peak.during}`] : []),
    ...(peak.files > filesMax ? [`${peak.files} files were open`] : []),
    ...(socketsAtRest > socketsAtRestMax ? [`${socketsAtRest} sockets are left`] : []),
  ]
}

async function until(isDue: () => boolean, ms: number): Promise<boolean> {
  const end = performance.now() + ms
  while (!isDue() && performance.now() < end) await sleep(200)
  return isDue()
}

function ofEach(writers: readonly Writer[], count: (writer: Writer) => number) {
  return Object.fromEntries(writers.map((each) => [each.topic, count(each)]))
}

function said(writers: readonly Writer[]): string {
  return writers.map(({ topic, ledger }) => `${topic} ${ledger.acknowledged}`).join(', ')
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0)
}
