/**
 * A storm of mutated requests against a broker that also serves a good client. The broker must live, answer
 * others, keep what it acknowledged, also over a restart, and not grow.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { RawClient } from '../conformance/raw-client.ts'
import { BrokerProcess } from './broker-process.ts'
import { requestFrames } from './frames.ts'
import { Ledger } from './ledger.ts'
import { Storm } from './storm.ts'

const probePauseMs = 10
/** An answer that took long counts as a block when the broker was at work for this share of it. */
const busyShare = 0.8
const settleMs = 2_000

export interface PlayOptions {
  readonly directory: string
  readonly seed: number
  readonly seconds: number
  /** Longest time a request of nothing may take while the broker is busy. */
  readonly blockMsMax: number
  readonly onProgress?: (line: string) => void
}

export interface Outcome {
  readonly sent: number
  readonly connections: number
  readonly closedByBroker: number
  readonly acknowledged: number
  readonly longestBlockMs: number
  /** What was sent before each block. */
  readonly blocks: readonly string[]
  readonly rssBeforeMiB: number
  readonly rssAfterMiB: number
  /** What does not hold; empty when all does. */
  readonly faults: readonly string[]
}

export async function play(o: PlayOptions): Promise<Outcome> {
  const broker = await BrokerProcess.start(o.directory)
  try {
    return await playOn(broker, o)
  } finally {
    broker.kill()
  }
}

async function playOn(broker: BrokerProcess, o: PlayOptions): Promise<Outcome> {
  const end = new AbortController()
  const { signal } = end
  const frames = requestFrames(o.seed)
  const storm = new Storm({ port: broker.port, seed: o.seed, connections: 8, frames, signal })
  const ledger = new Ledger()
  const watch = new Watch(broker, storm, o.blockMsMax)
  const rssBeforeMiB = broker.rssMiB
  const failed: unknown[] = []
  const parts = [storm.rage(), ledger.write(broker.port, signal), watch.look(signal)]
  const guarded = parts.map((part) => part.catch((error: unknown) => failed.push(error)))
  const until = performance.now() + o.seconds * 1_000
  while (performance.now() < until && broker.ended === undefined && failed.length === 0) {
    await sleep(Math.min(1_000, o.seconds * 1_000))
    o.onProgress?.(progressOf(storm, watch, broker))
  }
  end.abort()
  const ended = broker.ended
  const faults = failed.map((error) => String(error))
  if (ended !== undefined) {
    faults.push(`the broker ended with ${ended}:\n${broker.lastLines.join('\n')}`)
    faults.push(`sent last: ${storm.recent.join(', ')}`)
  }
  await Promise.race([Promise.all(guarded), sleep(10_000)])
  let rssAfterMiB = 0
  if (broker.ended === undefined) {
    await sleep(Math.min(settleMs, o.seconds * 1_000))
    rssAfterMiB = broker.rssMiB
    faults.push(...(await faultsOverRestart(broker, ledger, o.directory)))
  }
  const { sent, connections, closedByBroker } = storm
  const { longestBlockMs, blocks } = watch
  const acknowledged = ledger.acknowledged.length
  const counts = { sent, connections, closedByBroker, acknowledged, longestBlockMs, blocks }
  return { ...counts, rssBeforeMiB, rssAfterMiB, faults }
}

/** What is wrong with the ledger now, and after the broker was closed and opened again. */
async function faultsOverRestart(
  broker: BrokerProcess,
  ledger: Ledger,
  directory: string,
): Promise<string[]> {
  const faults: string[] = []
  const now = await ledger.fault(broker.port)
  if (now !== undefined) faults.push(`the ledger: ${now}`)
  await broker.stop()
  if (broker.ended !== 'exit code 0') faults.push(`the close ended with ${broker.ended}`)
  const again = await BrokerProcess.start(directory)
  try {
    const later = await ledger.fault(again.port)
    if (later !== undefined) faults.push(`the ledger after a restart: ${later}`)
  } finally {
    await again.stop()
  }
  return faults
}

/** Asks for nothing again and again, and sees how long the answer takes. */
class Watch {
  longestBlockMs = 0
  readonly blocks: string[] = []
  readonly #broker: BrokerProcess
  readonly #storm: Storm
  readonly #blockMsMax: number

  constructor(broker: BrokerProcess, storm: Storm, blockMsMax: number) {
    this.#broker = broker
    this.#storm = storm
    this.#blockMsMax = blockMsMax
  }

  async look(signal: AbortSignal): Promise<void> {
    const client = await RawClient.connect(this.#broker.port)
    while (!signal.aborted) {
      const cpuBefore = this.#broker.cpuMs
      const begun = performance.now()
      await client.ask('ApiVersions', 0, {})
      const tookMs = performance.now() - begun
      // A machine that is busy elsewhere makes every answer late: only the broker's own work counts.
      if (this.#broker.cpuMs - cpuBefore >= busyShare * tookMs) this.#note(tookMs)
      await sleep(probePauseMs)
    }
    client.close()
  }

  #note(tookMs: number): void {
    this.longestBlockMs = Math.max(this.longestBlockMs, tookMs)
    if (tookMs <= this.#blockMsMax) return
    this.blocks.push(`${Math.round(tookMs)} ms after ${this.#storm.recent.slice(-12).join(', ')}`)
  }
}

function progressOf(storm: Storm, watch: Watch, broker: BrokerProcess): string {
  const memory = broker.ended === undefined ? `${Math.round(broker.rssMiB)} MiB` : 'ended'
  return (
    `${storm.sent.toLocaleString('en-US')} requests, ${storm.connections} connections, ` +
    `longest block ${Math.round(watch.longestBlockMs)} ms, ${memory}`
  )
}
