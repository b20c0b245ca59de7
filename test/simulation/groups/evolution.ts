/**
 * A service that is deployed anew with another topology over the state of the old one.
 *
 * What its stores hold afterwards must be what a plain loop over all facts gives; or it must refuse to
 * start and leave everything as it was, so that the old one goes on. Rows that another store wrote may
 * never be taken for its own, and a store may not begin in the middle.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { service } from '../../../src/service/service.ts'
import type { Runnable } from '../../../src/streams/runtime/run.ts'
import type { RunningTopology } from '../../../src/streams/runtime/running.ts'
import { runTopology } from '../../../src/streams/runtime/run-topology.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { drawInteger } from '../../../src/testing/seed.ts'
import type { SimProcess, World } from '../../../src/testing/world.ts'
import { brokerAddress } from '../cluster/machine.ts'
import type { Drama } from '../cluster/play.ts'
import { connect } from '../cluster/stage.ts'
import type { Stage } from '../cluster/stage.ts'
import { Facts, Team } from './contracts.ts'
import { factOf, windowId } from './facts.ts'
import { Feed } from './feed.ts'
import { sessionTimeoutMs } from './instance.ts'
import { differing } from './watcher.ts'

const minuteMs = 60_000
const slackMs = 4_000
const grace = '1000d'

/** A topology, and what its view `rows` holds after so many facts. */
interface Version {
  readonly runnable: Runnable
  readonly expected: (factCount: number) => Map<string, number>
}

const perTeam = count((number) => factOf(number).team)
const perAccount = count((number) => factOf(number).account)
const perWindow = (sizeMs: number): Version['expected'] =>
  count((number) => {
    const { team, at } = factOf(number)
    return windowId(team, Math.floor(at / sizeMs) * sizeMs)
  })

const windowed = (name: string, size: '1m' | '2m') =>
  service('evolving', {
    reads: [Facts],
    writes: [],
    topology: (s) => {
      const teams = s.stream(Facts).rekey('by-team', Team, ({ team }) => team)
      return { rows: teams.window(tumbling(size, { grace })).count(name) }
    },
  })

const plain = (name: string) =>
  service('evolving', {
    reads: [Facts],
    writes: [],
    topology: (s) => {
      const teams = s.stream(Facts).rekey('by-team', Team, ({ team }) => team)
      return { rows: teams.count(name) }
    },
  })

/** Beside the store of before there is one more, which is what is looked at. */
const added = service('evolving', {
  reads: [Facts],
  writes: [],
  topology: (s) => {
    const teams = s.stream(Facts).rekey('by-team', Team, ({ team }) => team)
    const before = teams.window(tumbling('1m', { grace })).count('store')
    return { before, rows: s.stream(Facts).count('added') }
  },
})

const first: Version = { runnable: windowed('store', '1m'), expected: perWindow(minuteMs) }

const next: readonly Version[] = [
  { runnable: windowed('store', '2m'), expected: perWindow(2 * minuteMs) },
  { runnable: plain('store'), expected: perTeam },
  { runnable: windowed('renamed', '1m'), expected: perWindow(minuteMs) },
  { runnable: added, expected: perAccount },
]

export const evolution: Drama = { act, check: async () => undefined }

async function act(stage: Stage): Promise<void> {
  const { world } = stage
  const cluster = await connect(world.start('outside'))
  const feed = await Feed.open(cluster)
  const life = new Deployment(world, feed)
  await feed.write(drawInteger(world.draw, 8, 30))
  assert.equal(await life.deploy(first), 'right')
  await feed.write(drawInteger(world.draw, 1, 9))
  const version = next[drawInteger(world.draw, 0, next.length - 1)]!
  const how = await life.deploy(version)
  await feed.write(drawInteger(world.draw, 1, 9))
  if (how === 'refused') assert.equal(await life.deploy(first), 'right', 'the old one goes on')
  else assert.equal(await life.deploy(version), 'right', 'the new one goes on')
  await feed.close()
  await cluster.close()
}

/** Runs one version after the other, each in processes of its own. */
class Deployment {
  readonly #world: World
  readonly #feed: Feed

  constructor(world: World, feed: Feed) {
    this.#world = world
    this.#feed = feed
  }

  async deploy(version: Version): Promise<'right' | 'refused'> {
    const process = this.#world.start('instance')
    const running = await this.#start(version, process)
    if (running === undefined) return 'refused'
    await this.#looksRight(version, running)
    // Sooner or later than a session ends, in good order or not.
    if (this.#world.draw() < 0.5) await running.close()
    process.kill()
    if (this.#world.draw() < 0.5) await sleep(this.#world.clock, sessionTimeoutMs)
    return 'right'
  }

  async #start({ runnable }: Version, process: SimProcess): Promise<RunningTopology | undefined> {
    try {
      return await runTopology(runnable.build(), {
        broker: {
          bootstrap: [brokerAddress],
          dial: (host, port) => process.network.connect(host, port),
        },
        clock: process.clock,
        random: process.random,
        commitIntervalMs: 60,
        sessionTimeoutMs,
      })
    } catch (error) {
      assert(isHeadwaterError(error) && !error.retriable, (error as Error).stack)
      this.#world.trace(`refused: ${error.message}`)
      process.kill()
      return undefined
    }
  }

  async #looksRight({ expected }: Version, running: RunningTopology): Promise<void> {
    const deadline = this.#world.clock.monotonic() + sessionTimeoutMs + slackMs
    for (;;) {
      const found = new Map<string, number>()
      const isRunning = running.stats().state === 'running'
      const rows = isRunning ? running.views['rows']!.scan('', 10_000) : []
      for (const { key, windowStart, value } of rows) {
        const id = windowStart === undefined ? String(key) : windowId(String(key), windowStart)
        found.set(id, value as number)
      }
      const wrong = differing('rows', found, expected(this.#feed.written))
      if (wrong === undefined) return
      assert(this.#world.clock.monotonic() < deadline, wrong)
      await Promise.race([sleep(this.#world.clock, 100), running.failed])
    }
  }
}

function count(keyOf: (number: number) => string): Version['expected'] {
  return (factCount) => {
    const counts = new Map<string, number>()
    for (let number = 0; number < factCount; number++) {
      counts.set(keyOf(number), (counts.get(keyOf(number)) ?? 0) + 1)
    }
    return counts
  }
}
