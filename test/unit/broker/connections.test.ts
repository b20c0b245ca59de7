/** Who may connect, and who makes room for whom. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Connections } from '../../../src/broker/server/connections.ts'
import type { Duplex } from '../../../src/io/ports.ts'
import { pipe } from '../../../src/io/pipe.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { Traffic } from '../../../src/broker/server/traffic.ts'
import { frameOf, memoryOf, pass, settle } from './one-connection.ts'

function setting(bounds: { connectionsMax?: number; connectionsPerAddressMax?: number } = {}) {
  const short: { reason?: string } = {}
  const clock = new SimClock()
  const ended: string[] = []
  const connections = new Connections({
    frameBytesMax: 1000,
    requestsInFlightMax: 4,
    requestBytesInFlightMax: 1000,
    stallMsMax: 1e6,
    requestStallMsMax: 30_000,
    connectionsMax: 4,
    connectionsPerAddressMax: 3,
    connectionIdleMsMax: 600_000,
    roundRequests: 32,
    memory: memoryOf(1e9, clock),
    traffic: new Traffic(),
    clock,
    dispatch: () => new Promise(() => {}),
    shortage: () => short.reason,
    onEnded: (remote, { type, reason }) => ended.push(`${remote} ${type}: ${reason}`),
    ...bounds,
  })
  let port = 1
  const open = (host: string, isOurs = false): Duplex => {
    const [ours, theirs] = pipe({ names: ['broker', `${host}:${port++}`] })
    connections.accept(ours, { isOurs })
    return theirs
  }
  return { clock, connections, ended, open, short }
}

test('an address has its number of connections, and others have theirs', async () => {
  const { connections, ended, open } = setting()
  for (let at = 0; at < 5; at++) open('10.0.0.1')
  assert.equal(connections.size, 3)
  open('10.0.0.2')
  assert.equal(connections.size, 4)
  assert.equal(ended.length, 2)
  assert.match(ended[0]!, /^10\.0\.0\.1:4 refused: there are 3 .* connectionsPerAddressMax/)
})

test('without descriptors nobody from the network gets in, and who comes from inside does', () => {
  const { connections, ended, open, short } = setting()
  short.reason = 'no descriptors left'
  open('10.0.0.1')
  open('inside', true)
  assert.equal(connections.size, 1)
  assert.deepEqual(ended, ['10.0.0.1:1 refused: no descriptors left'])
  delete short.reason
  open('10.0.0.1')
  assert.equal(connections.size, 2)
})

test('within its number, the idlest of an address makes room for another of it', async () => {
  const { clock, connections, ended, open } = setting()
  open('10.0.0.2')
  await pass(clock, 1000)
  for (let at = 0; at < 3; at++) open('10.0.0.1')
  await pass(clock, 1000)
  open('10.0.0.1')
  assert.equal(connections.size, 4)
  assert.match(ended.join(), /^10\.0\.0\.1:2 refused: it was idle .* connectionsPerAddressMax/)
})

test('a connection that ends gives its place back', async () => {
  const { connections, open, ended } = setting()
  for (let at = 0; at < 10; at++) {
    open('10.0.0.1').destroy()
    await settle()
  }
  assert.deepEqual([connections.size, ended], [0, []])
})

test('when all places are taken, the idlest of the address with most makes room', async () => {
  const { clock, connections, ended, open } = setting()
  open('10.0.0.2')
  await pass(clock, 5000)
  open('10.0.0.1')
  await pass(clock, 1000)
  for (let at = 0; at < 2; at++) open('10.0.0.1')
  await pass(clock, 2000)
  open('10.0.0.3')
  assert.equal(connections.size, 4)
  assert.match(ended.join(), /^10\.0\.0\.1:2 refused: it was idle for 3000 ms .* connectionsMax/)
})

test('nobody makes room who is at work, or just came', async () => {
  const { clock, ended, open } = setting({ connectionsMax: 2 })
  const busy = open('10.0.0.1')
  busy.write([frameOf(1)])
  await pass(clock, 60_000)
  open('10.0.0.2')
  await settle()
  open('10.0.0.3')
  assert.match(
    ended.join(),
    /^10\.0\.0\.3:3 refused: there are 2 connections: raise connectionsMax/,
  )
})

test('whoever takes all there are keeps nobody out', async () => {
  const { clock, connections, ended, open } = setting({
    connectionsMax: 100,
    connectionsPerAddressMax: 75,
  })
  for (let at = 0; at < 200; at++) open('10.0.0.1')
  for (let at = 0; at < 200; at++) open('10.0.0.2')
  await pass(clock, 2000)
  ended.length = 0
  for (let at = 0; at < 20; at++) open('10.0.0.3').write([frameOf(1)])
  await settle()
  assert.equal(connections.size, 100)
  assert.equal(ended.length, 20)
  assert(ended.every((text) => !text.startsWith('10.0.0.3')))
})

test('connections from inside the process neither make room nor are ever idle', async () => {
  const { clock, connections, ended, open } = setting({ connectionsPerAddressMax: 1 })
  for (let at = 0; at < 3; at++) open('in-process', true)
  await pass(clock, 1e6)
  assert.equal(connections.size, 3)
  open('10.0.0.1')
  await pass(clock, 10_000)
  open('in-process', true)
  assert.match(ended.join(), /^10\.0\.0\.1:4 refused: it was idle/)
})

test('one from the network is closed when it was idle for long', async () => {
  const { clock, connections, ended, open } = setting()
  open('10.0.0.1')
  await pass(clock, 601_000)
  assert.equal(connections.size, 0)
  assert.match(ended.join(), /^10\.0\.0\.1:1 idle: it asked for nothing in 600000 ms/)
})
