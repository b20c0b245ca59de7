/** A database that does not answer is given up in time: at the start, in the middle, and while nobody lets us in. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { kafka } from '../../../src/client/security/kafka.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { Database } from '../../../src/postgres/database.ts'
import { runSink } from '../../../src/postgres/run-sink.ts'
import { postgresSink, table } from '../../../src/postgres/sink.ts'
import { Visits } from '../../types/shop.ts'

describe('a database', { timeout: 20_000 }, () => {
  it('that takes a connection and says nothing is given up', { timeout: 3_000 }, async () => {
    await beside(
      () => {},
      async (port) => {
        const database = databaseAt(port)
        await assert.rejects(database.connect(), { kind: 'away', message: /cannot be used/ })
        assert.equal(database.isConnected, false)
      },
    )
  })

  it('that falls silent is waited for once, and asked no more', { timeout: 4_000 }, async () => {
    await beside(lettingIn, async (port) => {
      const database = databaseAt(port, 1_000)
      await database.connect()
      const startedAt = performance.now()
      await assert.rejects(
        database.transaction((query) => query('SELECT 1')),
        { kind: 'away' },
      )
      const waitedMs = performance.now() - startedAt
      assert.ok(waitedMs < 1_900, `${waitedMs} ms`)
    })
  })

  it(
    'that lets us in and falls silent is given up, and what was asked has failed',
    { timeout: 3_000 },
    async () => {
      await beside(lettingIn, async (port) => {
        const database = databaseAt(port)
        await database.connect()
        assert.equal(database.isConnected, true)
        const asked = database.transaction((query) => query('SELECT 1'))
        await assert.rejects(asked, { kind: 'away', message: /timeout/ })
        assert.equal(database.isConnected, false)
      })
    },
  )

  it('that is away when a sink starts is waited for, for a minute', async () => {
    let now = 0
    const clock = {
      ...nodeClock,
      monotonic: () => now,
      after: (ms: number, callback: () => void) => {
        now += ms
        return nodeClock.after(0, callback)
      },
    }
    let repairs = 0
    const sink = postgresSink('s', { tables: [table('visits', { from: Visits })] })
    const database = 'postgres://me:secret@127.0.0.1:1/x'
    const onEvent = (): void => void repairs++
    const started = runSink(sink, { broker: kafka('127.0.0.1:1'), database, clock, onEvent })
    await assert.rejects(started, { code: 'connection-failed', message: /ECONNREFUSED/ })
    assert.ok(now > 55_000 && now <= 60_000, `${now} ms`)
    assert.ok(repairs > 50)
  })
})

/** A server that says nothing more. */
function lettingIn(socket: Socket): void {
  const authenticationOk = [0x52, 0, 0, 0, 8, 0, 0, 0, 0]
  const readyForQuery = [0x5a, 0, 0, 0, 5, 0x49]
  socket.once('data', () => {
    socket.write(new Uint8Array([...authenticationOk, ...readyForQuery]))
  })
}

function databaseAt(port: number, answerTimeoutMs = 150): Database {
  return new Database({
    address: { host: '127.0.0.1', port, user: 'u', database: 'd' },
    applicationName: 'test',
    statementTimeoutMs: 100,
    lockTimeoutMs: 100,
    idleTimeoutMs: 100,
    connectTimeoutMs: 150,
    answerTimeoutMs,
  })
}

const open = new Set<{ destroy: () => unknown }>()

after(() => {
  for (const each of open) each.destroy()
})

async function beside(serve: (socket: Socket) => void, test: (port: number) => Promise<void>) {
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    serve(socket)
  }).listen(0, '127.0.0.1')
  open.add({ destroy: () => server.close() })
  await once(server, 'listening')
  await test((server.address() as AddressInfo).port)
}
