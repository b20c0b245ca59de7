/** Instances share the partitions of a sink, and one that is frozen writes nothing that is another's. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeadwaterError } from '../../src/base/errors.ts'
import { runSink } from '../../src/postgres/run-sink.ts'
import { onBench, stopPostgres } from './database.ts'
import type { Bench } from './database.ts'
import { kill, killAll, start } from './processes.ts'
import {
  assertTables,
  dwell,
  hurry,
  Load,
  reporting,
  sessionTimeoutMs,
  untilWritten,
} from './reporting.ts'

after(async () => {
  killAll()
  await stopPostgres()
})

describe('a sink', { timeout: 120_000, concurrency: 4 }, () => {
  it('shares its partitions with an instance that comes and goes', async () => {
    await onBench(async (bench) => {
      const { broker, url: database } = bench
      const options = { broker, database, create: true, sessionTimeoutMs, batchRecords: 40 }
      await using first = await runSink(reporting, { ...options, instanceId: 'a' })
      const load = new Load(bench)
      for (let round = 0; round < 3; round++) {
        await using second = await runSink(reporting, { ...options, instanceId: 'b' })
        await delay(200)
        const held = second.stats().assignment?.tasks.length
        assert.equal(held, 12)
      }
      await load.stop()
      await untilWritten(bench, load.count)
      await first.caughtUp()
      assert.equal(first.stats().assignment?.tasks.length, 24)
      await assertTables(bench)
    })
  })

  it('stops when another process has its name, and that one goes on', async () => {
    await onBench(async (bench) => {
      const { broker, url: database } = bench
      const options = { broker, database, create: true, sessionTimeoutMs }
      const older = await runSink(reporting, options)
      const failed = older.failed.catch((error: unknown) => error)
      await using newer = await runSink(reporting, options)
      assert.ok(isHeadwaterError(await failed, 'fenced'))
      await older.close()
      const load = new Load(bench)
      await delay(200)
      await load.stop()
      await newer.caughtUp()
      await assertTables(bench)
    })
  })

  it('is not written by one that was frozen until its partitions were another’s', async () => {
    await onBench(async (bench) => {
      const zombie = await start(bench, 'a')
      const load = new Load(bench)
      await delay(300)
      zombie.kill('SIGSTOP')
      const successor = await start(bench, 'b')
      await load.stop()
      await untilWritten(bench, load.count)
      const before = await bench.sql('SELECT count(*) FROM payments')
      zombie.kill('SIGCONT')
      await delay(1_000)
      assert.deepEqual(await bench.sql('SELECT count(*) FROM payments'), before)
      // Both of them are members again, and what comes now is written once as well.
      const more = new Load(bench)
      more.count = load.count
      await delay(300)
      await more.stop()
      await untilWritten(bench, more.count)
      await assertTables(bench)
      await kill(zombie)
      await kill(successor)
    })
  })

  it('goes on behind one that was frozen in the middle of a transaction', async () => {
    await onBench(async (bench) => {
      const zombie = await start(bench, 'a')
      await dwell(bench, 0.4)
      const load = new Load(bench)
      while ((await asleep(bench)) === 0) await delay(10)
      zombie.kill('SIGSTOP')
      await load.stop()
      const successor = await start(bench, 'b')
      await hurry(bench)
      await untilWritten(bench, load.count)
      zombie.kill('SIGCONT')
      await delay(1_000)
      await assertTables(bench)
      await kill(zombie)
      await kill(successor)
    })
  })
})

/** Transactions that are in the trigger. */
async function asleep(bench: Bench): Promise<number> {
  const rows = await bench.sql("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
  return rows.length
}
