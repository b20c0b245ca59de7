/** Every row is there once, whatever dies and comes back on the way. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { groupOffsets } from '../../src/client/admin.ts'
import { connect } from '../streams-suite/place.ts'
import { readiness } from '../../src/operations/readiness.ts'
import { runSink } from '../../src/postgres/run-sink.ts'
import type { SinkEvent } from '../../src/postgres/running.ts'
import { onBench, postgres, stopPostgres } from './database.ts'
import { kill, killAll, start } from './processes.ts'
import { assertTables, dwell, hurry, Load, reporting, untilWritten } from './reporting.ts'

after(async () => {
  killAll()
  await stopPostgres()
})

describe('a sink', { timeout: 120_000 }, () => {
  it('has every row once although its process is killed again and again', async () => {
    await onBench(async (bench) => {
      await kill(await start(bench, '1'))
      await dwell(bench, 0.02)
      const load = new Load(bench)
      for (let round = 0; round < 6; round++) {
        const child = await start(bench, '1')
        await delay(Math.random() * 300)
        await kill(child)
      }
      await load.stop()
      await hurry(bench)
      const child = await start(bench, '1')
      await untilWritten(bench, load.count)
      await kill(child)
      await assertTables(bench)
    })
  })

  it('has every row once although the database restarts, in good order and by a crash', async () => {
    await onBench(async (bench) => {
      const { broker, url: database } = bench
      const events: SinkEvent[] = []
      const onEvent = (event: SinkEvent): void => void events.push(event)
      await using sink = await runSink(reporting, { broker, database, create: true, onEvent })
      await dwell(bench, 0.05)
      const load = new Load(bench)
      const server = await postgres()
      for (const mode of ['fast', 'immediate', 'fast', 'immediate'] as const) {
        await delay(200)
        await server.halt(mode)
        await delay(100)
        assert.equal(sink.stats().state, 'reconnecting')
        assert.equal(sink.stats().ready, false)
        const { reporting: seen } = readiness(sink).services
        assert.match(seen!.reason!, /lost its broker, or its database/)
        await server.start()
        await sink.caughtUp()
      }
      await load.stop()
      await hurry(bench)
      await sink.caughtUp()
      assert.equal(readiness(sink).ready, true)
      await assertTables(bench)
      assert.equal(events.filter(({ type }) => type === 'database-lost').length, 4)
      assert.equal(events.filter(({ type }) => type === 'database-found').length, 4)
      assert.equal(sink.stats().databaseOutages, 4)
      assert.equal(sink.stats().lag, 0)
    })
  })

  it('counts how far it falls behind while its database is away', async () => {
    await onBench(async (bench) => {
      const { broker, url: database } = bench
      await using sink = await runSink(reporting, { broker, database, create: true })
      await sink.caughtUp()
      const server = await postgres()
      await server.halt('fast')
      const load = new Load(bench)
      await delay(300)
      await load.stop()
      while ((sink.stats().lag ?? 0) < 2 * load.count) await delay(50)
      await server.start()
      await sink.caughtUp()
      assert.equal(sink.stats().lag, 0)
      await assertTables(bench)
      // Whoever looks at the group sees how far it is.
      await sink.close()
      const cluster = await connect(bench)
      const told = await groupOffsets(cluster, 'reporting')
      await cluster.close()
      const ours = await bench.sql('SELECT topic, partition, next_offset FROM headwater_positions')
      const positions = ours.map((row) => Object.values(row).join())
      assert.deepEqual(
        told
          .map(({ topic, partition, offset }) => `${topic},${partition},${offset}`)
          .toSorted(byText),
        positions.toSorted(byText),
      )
    })
  })
})

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}
