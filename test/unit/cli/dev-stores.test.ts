/** What `headwater dev` makes of stores that a service did not have when it ran last, or had otherwise. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, afterEach, beforeEach, describe, it } from 'node:test'
import { Command } from '../../airline/command.ts'

const repository = join(import.meta.dirname, '../../..')
const root = mkdtempSync(join(tmpdir(), 'headwater-dev-stores-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** As `headwater init` makes one: it runs its service itself, sends an order at POST, and answers from tables. */
const program = `
import { createServer } from 'node:http'
import { kafka, run } from '${repository}/src/index.ts'
import { Orders } from '${repository}/test/types/shop.ts'
import { checkout } from './checkout.mjs'
await using app = await run(checkout, { broker: kafka(process.env.HEADWATER_BROKER) })
const order = { orderId: 'o', customerId: 'c', address: '', total: 1 }
const answer = ({ method, url }) =>
  method === 'POST' ? app.send(Orders, order).then(() => 'sent') : app.query[url.slice(1)].get('o')
const server = createServer((request, response) => {
  answer(request).then(
    (value) => response.end(JSON.stringify(value ?? null)),
    () => response.writeHead(503).end(),
  )
})
server.listen(0, '127.0.0.1', () => console.log('listens', server.address().port))
await new Promise((resolve) => process.once('SIGTERM', resolve))
server.close()
server.closeAllConnections()
`

let place = ''
let command: Command
/** Starts that are meant to fail. */
let endings = 0
beforeEach(() => {
  endings = 0
  place = mkdtempSync(join(root, 'case-'))
  writeFileSync(join(place, 'main.mjs'), program)
})
/** A test that fails half way leaves its command to be ended. */
afterEach(() => {
  command.process.kill('SIGKILL')
})

/** Has the service return these tables. */
function saveTables(tables: string): void {
  const text = `
import { keyspace, service } from '${repository}/src/index.ts'
import { Orders } from '${repository}/test/types/shop.ts'
export const checkout = service('checkout', {
  reads: [Orders],
  writes: [Orders],
  topology: (s) => {
    const orders = s.stream(Orders)
    return { ${tables} }
  },
})
`
  writeFileSync(join(place, 'checkout.mjs'), text)
}

/** Starts \`dev\` with two orders placed, and read. */
async function startWith(tables: string): Promise<void> {
  saveTables(tables)
  const args = ['dev', 'main.mjs', '--port', '0', '--query-port', '0']
  command = new Command(args, {}, join(repository, 'src/cli/main.ts'), place)
  const url = await startedUrl(1)
  for (let i = 0; i < 2; i++) await fetch(url, { method: 'POST' })
}

/** Where the program listens that was started as so manieth. */
async function startedUrl(start: number): Promise<string> {
  for (;;) {
    const ports = [...command.stdout.matchAll(/^listens (\d+)$/gm)].map(([, port]) => port)
    if (ports.length >= start) return `http://127.0.0.1:${ports[start - 1]}`
    assert.equal(command.process.exitCode, null, command.stderr)
    const ended = command.stderr.match(/the services ended/g)?.length ?? 0
    assert.ok(ended <= endings, command.stderr)
    await sleep(20)
  }
}

/** Waits until a table of the start of this number says this. */
async function says(start: number, table: string, value: number): Promise<void> {
  const url = await startedUrl(start)
  for (let said = ''; said !== String(value); await sleep(20)) {
    said = await (await fetch(`${url}/${table}`)).text()
    assert.ok(!(Number(said) > value), `${table} says ${said} at start ${start}`)
  }
}

async function told(text: string): Promise<void> {
  while (!command.stderr.includes(text)) {
    assert.equal(command.process.exitCode, null, command.stderr)
    await sleep(20)
  }
}

describe('headwater dev, when tables change', { timeout: 120_000 }, () => {
  it('folds those anew that are new or others, keeps the others, and says what became of each', async () => {
    await startWith("seen: orders.count('seen')")
    await says(1, 'seen', 2)
    saveTables("seen: orders.count('seen'), sum: orders.reduce('sum', () => 40, (sum) => sum + 1)")
    await says(2, 'sum', 42)
    await says(2, 'seen', 2)
    assert.match(
      command.stderr,
      /^service 'checkout' has other stores than when it ran last:\n {2}kept +seen: is the same store\n {2}rebuilt +sum: is new, but .* would miss what came before; folded anew from 2 records of 'orders'/m,
    )
    // A table of the stream's own rows needs no store, and the one that became another is folded anew.
    saveTables("seen: orders.reduce('seen', () => 70, (n) => n + 1), rows: s.table(Orders)")
    await says(3, 'seen', 72)
    assert.match(command.stderr, /^ {2}rebuilt +seen: it was a count and is a reduce; folded/m)
    assert.match(command.stderr, /^ {2}dropped +sum: is not in this version: it misses/m)
    assert.match(
      command.stderr,
      /^ {2}rebuilt +orders: is a table: it is read from its own stream/m,
    )
    // What comes is counted once, in what was folded anew as well.
    await fetch(await startedUrl(3), { method: 'POST' })
    await says(3, 'seen', 73)
    command.process.kill('SIGINT')
    assert.equal((await command.ended).code, 0, command.stderr)
  })

  it('says nothing where nothing has changed, nor of what was dropped before', async () => {
    await startWith("seen: orders.count('seen'), sum: orders.count('sum')")
    await says(1, 'sum', 2)
    saveTables("seen: orders.count('seen')")
    await says(2, 'seen', 2)
    assert.equal(command.stderr.match(/has other stores/g)?.length, 1)
    saveTables("seen: orders.count('seen') /* the same */")
    await says(3, 'seen', 2)
    assert.equal(command.stderr.match(/has other stores/g)?.length, 1)
  })

  it('begins a service anew that sends and calls nothing, where a store cannot be folded anew', async () => {
    const by = (partitions: number) =>
      `keyspace.string('Other', { partitions: ${partitions} }), ({ orderId }) => orderId`
    await startWith(`seen: orders.rekey('again', ${by(2)}).count('seen')`)
    await says(1, 'seen', 2)
    saveTables(`seen: orders.rekey('again', ${by(3)}).count('seen')`)
    await says(2, 'seen', 2)
    assert.match(
      command.stderr,
      /^service 'checkout': .*so it begins anew: dropped are .*checkout-seen-changelog/m,
    )
  })

  it('leaves one as it is, and says why, that would call a second time', async () => {
    await startWith("seen: orders.count('seen')")
    await says(1, 'seen', 2)
    saveTables("seen: orders.mapAsync('look', async (order) => order).count('behind')")
    await told(
      "service 'checkout': store 'behind' cannot be rebuilt: it lies behind mapAsync 'look'",
    )
    await told('delete its data and begin with nothing')
    await told('the services ended with exit code 1; the next change starts them again')
    endings = 1
    saveTables("seen: orders.count('seen')")
    await says(2, 'seen', 2)
  })
})
