/** Sinks that a module exports beside its services, run and planned from the command line. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from '../airline/command.ts'
import { onBench, postgres, stopPostgres } from './database.ts'

after(() => stopPostgres())

const file = join(import.meta.dirname, 'modules/shop-with-sink.ts')

describe('a sink of a module', { timeout: 300_000 }, () => {
  it('is run, observed and stopped with the services of `headwater run`', () =>
    onBench(async (bench) => {
      const flags = ['--broker', bench.address, '--query-port', '0', '--create-tables', '--json']
      const run = new Command(['run', file, ...flags], { HEADWATER_DATABASE: bench.url })
      await run.printed('"queryUrl"')
      const said = JSON.parse(run.stdout) as Record<string, unknown>
      assert.deepEqual([said['services'], said['sinks']], [['checkout'], ['reporting']])
      await until(async () => {
        const [row] = await bench.sql('SELECT count(*)::int AS n FROM orders')
        return row!['n'] === 3
      })
      const ready = await get(said, '/health/ready')
      assert.equal(ready.status, 200, ready.text)
      const sink = (JSON.parse(ready.text) as { services: Record<string, unknown> }).services
      assert.deepEqual(sink['reporting'], { ready: true, state: 'running', lag: 0, reason: null })

      const server = await postgres()
      await server.halt('fast')
      await until(async () => {
        const { status, text } = await get(said, '/health/ready')
        return status === 503 && text.includes('lost its broker, or its database')
      })
      await delay(300)
      const { text } = await get(said, '/metrics')
      const of = (name: string) =>
        Number(
          new RegExp(`^headwater_service_${name}{service="reporting"} (.*)$`, 'm').exec(text)?.[1],
        )
      assert.equal(of('database_outages_total'), 1, text)
      assert.ok(of('database_away_seconds_total') > 0.2, text)
      assert.ok(of('database_retries_total') >= 2, text)
      assert.ok(!text.includes('database_outages_total{service="checkout"'))
      await server.start()
      await until(async () => (await get(said, '/health/ready')).status === 200)
      run.process.kill('SIGTERM')
      const { code, stderr } = await run.ended
      assert.equal(code, 0, stderr)
      assert.match(stderr, /service 'reporting' has lost its database and goes on trying/)
      assert.match(stderr, /service 'reporting' has its database again after/)
    }))

  it('ends with `--exit` when all of its streams is in the tables', () =>
    onBench(async (bench) => {
      const of = ['--broker', bench.address, '--database', bench.url]
      const before = await new Command(['plan', file, ...of]).ended
      assert.equal(before.code, 0, before.stderr)
      assert.match(before.stdout, /^orders +orders +one a key +0 +none: no such topic yet$/m)
      const args = ['run', file, ...of, '--query-port', '0', '--create-tables', '--exit']
      const { code, stdout, stderr } = await new Command(args).ended
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^sinks: {4}reporting$/m)
      assert.match(stdout, /^reporting: 3 in, 3 out$/m)
      assert.equal((await bench.sql('SELECT * FROM orders')).length, 3)
      const planned = await new Command(['plan', file, ...of, '--json']).ended
      const { partitions, ...sink } = JSON.parse(planned.stdout.trim().split('\n').at(-1)!)
      const table = { table: 'orders', stream: 'orders', mode: 'upsert' }
      assert.deepEqual(sink, { sink: 'reporting', tables: [table] })
      assert.equal(partitions.length, 2)
      for (const { position, end } of partitions) assert.ok(position > 0 && position === end)
      // Without a database there is the rest, and why.
      const away = ['--broker', bench.address, '--database', 'postgres://127.0.0.1:1/shop']
      const { code: none, stdout: rest } = await new Command(['plan', file, ...away]).ended
      assert.equal(none, 0)
      assert.match(rest, /^orders +orders +one a key +not known +not known$/m)
      assert.match(rest, /^how far it is, is not known: PostgreSQL cannot be used/m)
    }))
})

async function get(said: Record<string, unknown>, path: string) {
  const response = await fetch(`${String(said['queryUrl'])}${path}`)
  return { status: response.status, text: await response.text() }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 40_000; !(await isSo()); await delay(50)) {
    assert.ok(Date.now() < end, 'it does not become so')
  }
}
