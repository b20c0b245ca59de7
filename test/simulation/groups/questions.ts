/**
 * Questions that are asked of the tally service all the time, of any instance, over a simulated HTTP.
 *
 * Counts only grow. So whoever has been told a count may never be told less by anybody it asks afterwards, nor that
 * there is nothing, whatever befalls the instances: a lesser answer is one from an instance that no longer had the
 * partition, or did not have all of it yet. That there is no answer now, and why, is always right.
 */
import assert from 'node:assert/strict'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { HttpAnswer, HttpAsk } from '../../../src/io/ports.ts'
import { queryApp } from '../../../src/query/server.ts'
import type { QueryService } from '../../../src/query/view.ts'
import type { RunningTopology } from '../../../src/streams/runtime/running.ts'
import { drawInteger, fork } from '../../../src/testing/seed.ts'
import type { SimProcess, World } from '../../../src/testing/world.ts'
import { accounts } from './facts.ts'

const travelMsMax = 40
const askTimeoutMs = 10_000
const pauseMsMax = 120

/** A process that may be asked. */
export interface Asked {
  readonly process: SimProcess
  readonly running: RunningTopology | undefined
}

/** Who is asked at the address of an instance; undefined when nobody listens. */
export type At = (host: string) => Asked | undefined

/** HTTP as one process asks by it: a request and its answer travel, and who is dead or frozen says nothing. */
function httpOf(world: World, from: SimProcess, at: At): HttpAsk {
  const draw = fork(world.draw)
  const travelMs = (): number => drawInteger(draw, 1, travelMsMax)
  return (url, { headers, timeoutMs }) => {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
    from.clock.after(timeoutMs, () => reject(new HeadwaterError('timeout', `${url} is late`)))
    const asked = at(new URL(url).hostname)
    if (asked === undefined) {
      reject(new HeadwaterError('connection-failed', `nobody is at ${url}`))
      return promise
    }
    const answer = async (): Promise<void> => {
      const app = queryApp(() => [serviceOf(asked.running)], httpOf(world, asked.process, at))
      const response = await app.fetch(new Request(url, { headers: { ...headers } }))
      const body = new Uint8Array(await response.arrayBuffer())
      const { status, headers: said } = response
      const type = said.get('content-type') ?? ''
      // From here on it is on its way, whatever becomes of who gave it.
      from.clock.after(travelMs(), () => resolve({ status, type, headers: said, body }))
    }
    asked.process.clock.after(travelMs(), () => {
      answer().catch((error: unknown) => world.fail(error))
    })
    return promise
  }
}

function serviceOf(running: RunningTopology | undefined): QueryService {
  if (running === undefined) {
    return { name: 'tally', views: {}, ready: () => false, ended: () => undefined }
  }
  return {
    name: 'tally',
    views: running.views,
    ready: () => running.stats().state === 'running',
    ended: () => undefined,
  }
}

/** Asks one question after the other, and fails at the first wrong answer. */
export class Questions {
  /** Answers that said a count. */
  told = 0
  readonly #world: World
  readonly #process: SimProcess
  readonly #ask: HttpAsk
  readonly #hosts: () => readonly string[]
  /** The largest count of each account that anybody was told. */
  readonly #most = new Map<string, number>()

  /** @param hosts of instances that may be asked now */
  constructor(world: World, at: At, hosts: () => readonly string[]) {
    this.#world = world
    this.#process = world.start('asker')
    this.#ask = httpOf(world, this.#process, at)
    this.#hosts = hosts
  }

  async askUntil(isOver: () => boolean): Promise<void> {
    const draw = fork(this.#world.draw)
    while (!isOver()) {
      await sleep(this.#process.clock, drawInteger(draw, 0, pauseMsMax))
      const hosts = this.#hosts()
      if (hosts.length === 0) continue
      const host = hosts[drawInteger(draw, 0, hosts.length - 1)]!
      const account = accounts[drawInteger(draw, 0, accounts.length - 1)]!
      // Several are under way at once: who waits for one that is frozen does not wait with the others.
      const question = draw() < 0.2 ? this.#list(host) : this.#count(host, account)
      question.catch((error: unknown) => this.#world.fail(error))
    }
  }

  async #count(host: string, account: string): Promise<void> {
    const least = this.#most.get(account) ?? 0
    const answer = await this.#get(`http://${host}:80/v1/tally/accounts?key=${account}`)
    if (answer === undefined) return
    const { status, body } = answer
    this.#world.trace(`${host} says of ${account}: ${status} ${JSON.stringify(body)}`)
    if (status === 200) return this.#heard(host, account, body as number, least)
    assert.equal(errorOf(body), status === 404 ? 'no-value' : 'not-ready', JSON.stringify(body))
    if (status === 404) this.#heard(host, account, 0, least)
    else assert.equal(status, 503)
  }

  async #list(host: string): Promise<void> {
    const least = new Map(this.#most)
    const answer = await this.#get(`http://${host}:80/v1/tally/accounts?limit=1000`)
    if (answer === undefined) return
    const { status, body } = answer
    this.#world.trace(`${host} lists: ${status}`)
    if (status !== 200) {
      assert.deepEqual([status, errorOf(body)], [503, 'not-ready'], JSON.stringify(body))
      return
    }
    const { entries, partitions } = body as {
      readonly entries: readonly { readonly key: string; readonly value: number }[]
      readonly partitions: { readonly count: number; readonly covered: readonly number[] }
    }
    assert.equal(partitions.covered.length, partitions.count, 'a list that is not whole')
    const counts = new Map(entries.map(({ key, value }) => [key, value]))
    assert.equal(counts.size, entries.length, 'a key is listed twice')
    for (const account of accounts) {
      this.#heard(host, account, counts.get(account) ?? 0, least.get(account) ?? 0)
    }
  }

  #heard(host: string, account: string, count: number, least: number): void {
    assert(count >= least, `${host} says ${count} of ${account}, and ${least} was said before`)
    if (count > 0) this.told++
    this.#most.set(account, Math.max(count, this.#most.get(account) ?? 0))
  }

  /** Undefined when nobody answers. */
  async #get(
    url: string,
  ): Promise<{ readonly status: number; readonly body: unknown } | undefined> {
    const headers = { accept: 'application/json' }
    const options = { headers, timeoutMs: askTimeoutMs, bytesMax: 1_000_000 }
    const answer = await this.#ask(url, options).catch(() => undefined)
    if (answer === undefined) return undefined
    return { status: answer.status, body: JSON.parse(Buffer.from(answer.body).toString()) }
  }
}

function errorOf(body: unknown): string {
  return (body as { readonly error: { readonly code: string } }).error.code
}
