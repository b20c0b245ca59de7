/** `headwater plan`, `rebuild` and `reset`, as processes, on a broker that is one, too. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Command, runCommand } from '../../airline/command.ts'

const now = join(import.meta.dirname, 'modules/shop.ts')
const earlier = join(import.meta.dirname, 'modules/desk-before.ts')

describe('headwater plan, rebuild and reset', { timeout: 120_000 }, () => {
  let root = ''
  let broker: Command
  let at: string[] = []

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'headwater-cli-identity-'))
    broker = new Command(['broker', '--json', '--port', '0', '--dir', root])
    await broker.printed('\n')
    at = ['--broker', `localhost:${(JSON.parse(broker.stdout) as { port: number }).port}`]
  })

  after(async () => {
    broker.process.kill('SIGTERM')
    await broker.ended
    await rm(root, { recursive: true, force: true })
  })

  const runThrough = (file: string) =>
    runCommand(['run', file, '--exit', '--json', '--query-port', '0', ...at])

  const storesOf = async (file: string) => {
    const { code, stdout } = await runCommand(['plan', file, '--json', ...at])
    const lines = stdout.trim().split('\n')
    const [, desk] = lines.map((line) => JSON.parse(line) as { stores: StoreLine[] })
    return {
      code,
      stores: Object.fromEntries(desk!.stores.map(({ store, outcome }) => [store, outcome])),
    }
  }

  it('plan says that everything begins before a service ran, and is kept after it', async () => {
    const empty = await storesOf(earlier)
    assert.deepEqual(empty, { code: 0, stores: { 'orders-before': 'new', orders: 'rebuilt' } })
    const ran = await runThrough(earlier)
    assert.equal(ran.code, 0, ran.stderr)
    const kept = await storesOf(earlier)
    assert.deepEqual(kept, { code: 0, stores: { 'orders-before': 'kept', orders: 'rebuilt' } })
  })

  it('plan says with exit code 2 what is refused, why, and what to do', async () => {
    const { code, stdout, stderr } = await runCommand(['plan', now, ...at])
    assert.equal(code, 2, stderr)
    assert.equal(stderr, '')
    assert.match(stdout, /^orders-of-customer +refused +\(\d+ of orders\) +see below$/m)
    assert.match(stdout, /^orders-before +dropped/m)
    assert.match(stdout, /store 'orders-of-customer' is new, but the service has read/)
    assert.match(stdout, /^ {2}`headwater rebuild FILE desk orders-of-customer`/m)
    const refused = await runThrough(now)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /"state-mismatch"/)
    assert.match(refused.stderr, /headwater rebuild FILE desk orders-of-customer/)
  })

  it('rebuild needs a yes, and then the service runs with the right counts', async () => {
    const rebuild = ['rebuild', now, 'desk', 'orders-of-customer', ...at]
    const asked = await runCommand(rebuild)
    assert.equal(asked.code, 1)
    assert.match(asked.stderr, /folded anew from orders.*add --yes/)
    assert.match(asked.stderr, /'orders' does not hold every record it ever held/)
    const done = await runCommand([...rebuild, '--yes', '--json'])
    assert.equal(done.code, 0, done.stderr)
    assert.partialDeepStrictEqual(JSON.parse(done.stdout), { records: 3, rows: 2 })
    assert.equal((await storesOf(now)).code, 0)
    const ran = await runThrough(now)
    assert.equal(ran.code, 0, ran.stderr)
    const changelog = ['tail', 'desk-orders-of-customer-changelog', '--json', ...at]
    const { stdout } = await runCommand(changelog)
    assert.equal(stdout.trim().split('\n').length, 2, 'a row for each of two customers')
  })

  it('reset says what it deletes and what is written again', async () => {
    const reset = ['reset', now, 'checkout', ...at]
    const asked = await runCommand(reset)
    assert.equal(asked.code, 1)
    assert.match(asked.stderr, /inputs are read again: till.*written once more: orders.*--yes/)
    const done = await runCommand([...reset, '--yes'])
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stdout, /checkout-stores/)
    const topics = await runCommand(['topics', '--json', ...at])
    assert.doesNotMatch(topics.stdout, /checkout-/)
    const again = await runThrough(now)
    assert.match(again.stdout, /"checkout","recordsIn":3,"recordsOut":3/)
  })

  it('plan accepts a store that a version before did not have', async () => {
    const back = await storesOf(earlier)
    assert.deepEqual(back, { code: 2, stores: { ...back.stores, 'orders-before': 'refused' } })
    const wrong = await runCommand(['plan', earlier, '--accept', 'orders-before', ...at])
    assert.match(wrong.stderr, /write SERVICE\/STORE/)
    const accepted = await runCommand(['plan', earlier, '--accept', 'desk/orders-before', ...at])
    assert.equal(accepted.code, 0, accepted.stderr)
    assert.match(accepted.stdout, /^orders-before +kept/m)
  })

  it('name what there is when they are asked for something else', async () => {
    const none = await runCommand(['rebuild', now, 'desks', 'x', ...at])
    assert.match(none.stderr, /exports no service 'desks': it has checkout, desk/)
    const table = await runCommand(['rebuild', now, 'desk', 'orders', ...at])
    assert.match(table.stderr, /'orders' of service 'desk' is a table.*'orders-of-customer'/)
    assert.deepEqual([none.code, table.code], [1, 1])
  })
})

interface StoreLine {
  readonly store: string
  readonly outcome: string
}
