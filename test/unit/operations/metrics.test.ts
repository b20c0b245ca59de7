/** What Prometheus is told, of services and of a broker, and that the page of metrics has all of it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { brokerMetrics, serviceMetrics } from '../../../src/operations/metrics.ts'
import { operations } from '../../../src/operations/operations.ts'
import type { OperationsOptions } from '../../../src/operations/operations.ts'
import { service } from '../../../src/service/service.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { checkout, desk, Orders } from '../cli/modules/shop.ts'
import { until, valuesOf, withBroker } from './observed.ts'

const page = join(import.meta.dirname, '../../../docs/operations/metrics.md')

describe('metrics', { timeout: 60_000 }, () => {
  it('are those of the page, word for word', () => {
    const rows = readFileSync(page, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `headwater_'))
    const written = [...serviceMetrics, ...brokerMetrics].map(({ name, type, labels, help }) => {
      const shown = labels.map((label) => `\`${label}\``).join(', ')
      return `| \`${name}\` | ${type} | ${shown} | ${help} |`
    })
    assert.deepEqual(
      rows.map((row) => row.replace(/\s+/g, ' ')),
      written.map((row) => row.replace(/\s+/g, ' ')),
    )
  })

  it('say what services did', () =>
    withBroker(async (broker) => {
      await using app = await run([checkout, desk], { broker })
      await app.caughtUp()
      await app.send(Orders, orderOf('o-9'))
      await app.caughtUp()
      const values = await scrape({ services: () => app.services })
      const of = (name: string) => values.get(`headwater_service_${name}`)
      const stats = app.stats()
      assert.equal(of('records_total{service="desk",instance_id="1"}'), stats.desk.recordsIn)
      assert.ok(stats.desk.recordsIn >= 4)
      assert.equal(of('records_written_total{service="checkout",instance_id="1"}'), 3)
      assert.equal(of('input_records_total{service="checkout",instance_id="1",input="till"}'), 3)
      assert.equal(of('records_dropped_total{service="desk",instance_id="1",reason="late"}'), 0)
      assert.equal(of('sends_total{service="checkout",instance_id="1"}'), 1)
      assert.equal(of('lag_records{service="desk",instance_id="1"}'), 0)
      assert.equal(of('state{service="desk",instance_id="1",state="running"}'), 1)
      assert.equal(of('state{service="desk",instance_id="1",state="reconnecting"}'), 0)
      assert.equal(of('view_rows{service="desk",instance_id="1",view="orders"}'), 4)
      assert.equal(of('tasks{service="desk",instance_id="1"}'), 4)
      assert.equal(of('restored_tasks_total{service="desk",instance_id="1"}'), 4)
      assert.equal(of('opens_total{service="desk",instance_id="1"}'), 1)
      assert.ok(of('open_seconds_total{service="desk",instance_id="1"}')! > 0)
      assert.ok(of('commits_total{service="desk",instance_id="1"}')! > 0)
      assert.equal(of('commits_total{service="desk",instance_id="1"}'), stats.desk.commits)
      assert.ok(values.get('process_cpu_seconds_total')! > 0, 'and what the process costs')
      for (const { name } of serviceMetrics) {
        if (name === 'headwater_service_lag_records') continue
        // Nobody is there to be asked; what is told where somebody is, says the test of routing.
        if (name.startsWith('headwater_service_peer_questions_')) continue
        // Of sinks, which test/postgres has.
        if (name.startsWith('headwater_service_database_')) continue
        // Nobody rejects here; of who does, says the test of commands.
        if (name === 'headwater_service_commands_rejected_total') continue
        assert.ok(
          [...values.keys()].some((key) => key.startsWith(`${name}{`)),
          name,
        )
      }
    }))

  it('count what was processed before a record that stopped its service, and once more up to it', () =>
    withBroker(async (broker) => {
      let calls = 0
      const failing = service('failing', {
        reads: [Orders],
        writes: [],
        topology: (s) => {
          const third = (): boolean => {
            if (++calls === 3) throw new RangeError('no more')
            return true
          }
          return { orders: s.stream(Orders).filter(third).count('orders') }
        },
      })
      await using till = await run(checkout, { broker })
      await till.caughtUp()
      await using app = await run(failing, { broker })
      await assert.rejects(app.failed)
      const values = await scrape({ services: () => app.services })
      assert.equal(
        values.get('headwater_service_records_total{service="failing",instance_id="1"}'),
        4,
      )
    }))

  it('tell two instances of one service in a process apart', () =>
    withBroker(async (broker) => {
      await using till = await run(checkout, { broker })
      await till.caughtUp()
      await using a = await run(desk, { broker, instanceId: 'a' })
      await using b = await run(desk, { broker, instanceId: 'b' })
      const tasksOf = (app: typeof a) => app.stats().assignment?.tasks.length ?? 0
      await until(() => tasksOf(a) > 0 && tasksOf(b) > 0)
      const services = () => [...a.services, ...b.services]
      await until(() => [a, b].every((app) => app.stats().ready))
      const values = await scrape({ services })
      for (const [id, app] of [
        ['a', a],
        ['b', b],
      ] as const) {
        const labels = `{service="desk",instance_id="${id}"}`
        assert.equal(values.get(`headwater_service_tasks${labels}`), tasksOf(app))
        assert.equal(values.get(`headwater_service_commits_total${labels}`), app.stats().commits)
      }
      assert.equal(tasksOf(a) + tasksOf(b), 4)
    }))

  it('say nothing of a lag that is not known', () =>
    withBroker(async (broker) => {
      const app = await run(desk, { broker })
      await app.close()
      const values = await scrape({ services: () => app.services })
      assert.equal(
        values.get('headwater_service_state{service="desk",instance_id="1",state="closed"}'),
        1,
      )
      assert.equal(
        values.has('headwater_service_lag_records{service="desk",instance_id="1"}'),
        false,
      )
    }))

  it('count what a broker was asked, each request once, from one scrape to the next', () =>
    withBroker(async (broker) => {
      const answer = operations({ broker })
      const before = await scrapeBy(answer)
      const app = await run(checkout, { broker })
      for (let i = 0; i < 5; i++) {
        await app.transaction((tx) => tx.send(Orders, orderOf(`o-${i}`)))
      }
      const open = await scrapeBy(answer)
      await app.close()
      await until(() => broker.stats().connections.open === 0)
      const after = await scrapeBy(answer)
      const of = (values: ReadonlyMap<string, number>, name: string) =>
        values.get(`headwater_broker_${name}`) ?? 0
      assert.equal(of(before, 'requests_total{api="EndTxn"}'), 0)
      // The five and the commit of what the input read.
      assert.equal(of(after, 'requests_total{api="EndTxn"}'), 6)
      assert.equal(of(open, 'group_members'), 1)
      assert.equal(of(open, 'groups{state="Stable"}'), 1)
      assert.equal(of(after, 'groups{state="Empty"}'), 1)
      assert.equal(of(after, 'groups{state="Stable"}'), 0)
      assert.ok(of(open, 'connections') > 0)
      assert.equal(of(after, 'connections'), 0)
      assert.ok(of(after, 'connections_accepted_total') >= of(open, 'connections'))
      assert.ok(of(after, 'received_bytes_total') > of(open, 'received_bytes_total'))
      assert.ok(of(after, 'sent_bytes_total') > of(open, 'sent_bytes_total'))
      assert.ok(of(open, 'log_bytes') > of(before, 'log_bytes'))
      assert.equal(of(open, 'memory_max_bytes{of="requests"}'), (384 * 1024 * 1024) / 3)
      assert.equal(of(after, 'disk_full'), 0)
    }))
})

function orderOf(orderId: string) {
  return { orderId, customerId: 'eve', address: 'here', total: 1 }
}

async function scrape(options: OperationsOptions): Promise<ReadonlyMap<string, number>> {
  return scrapeBy(operations(options))
}

async function scrapeBy(answer: ReturnType<typeof operations>) {
  const response = await answer(new Request('http://localhost/metrics'))
  assert.match(response!.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
  return valuesOf(await response!.text())
}
