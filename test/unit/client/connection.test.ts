import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Connection } from '../../../src/client/cluster/connection.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { pipe } from '../../../src/io/pipe.ts'
import type { Dial } from '../../../src/io/ports.ts'
import { apis } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { encodeResponse } from '../../../src/protocol/frame.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import type { Asked } from './scripted-broker.ts'
import { scriptedBroker } from './scripted-broker.ts'

keepAwake()

function open(dial: Dial, requestTimeoutMs = 5_000): Promise<Connection> {
  const address = { host: 'one', port: 1 }
  return Connection.open({
    dial,
    clock: nodeClock,
    random: nodeRandom,
    ...address,
    clientId: 'test',
    requestTimeoutMs,
  })
}

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }

test('the highest version both sides know is used, or a lower one that is asked for', async () => {
  const versions = [
    { apiKey: apis.Heartbeat.key, minVersion: 1, maxVersion: 2 },
    { apiKey: apis.Produce.key, minVersion: 99, maxVersion: 100 },
  ]
  const broker = scriptedBroker({
    ApiVersions: () => ({ apiKeys: versions }),
    Heartbeat: () => ({}),
  })
  const connection = await open(broker.dial)
  await connection.request('Heartbeat', heartbeat)
  assert.equal(broker.asked.at(-1)!.version, 2)
  await connection.request('Heartbeat', heartbeat, { versionMax: 1 })
  assert.equal(broker.asked.at(-1)!.version, 1)
  assert.throws(() => connection.versionOf('Produce'), {
    code: 'unsupported-version',
    message: /offers versions 99 to 100 of Produce/,
  })
  assert.throws(() => connection.versionOf('Fetch'), { code: 'unsupported-version' })
  connection.close()
})

test('a broker that knows only the first version of the handshake is asked again in that', async () => {
  const newest = apis.ApiVersions.versions[1]
  const broker = scriptedBroker({
    ApiVersions: ({ version, duplex }: Asked) => {
      const apiKeys = [{ apiKey: apis.ApiVersions.key, minVersion: 0, maxVersion: 1 }]
      if (version <= 1) {
        return {
          apiKeys: [...apiKeys, { apiKey: apis.Heartbeat.key, minVersion: 0, maxVersion: 4 }],
        }
      }
      const refusal = { errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys }
      duplex.write(encodeResponse('ApiVersions', 0, 0, refusal))
      return undefined
    },
  })
  const connection = await open(broker.dial)
  assert.deepEqual(
    broker.asked.map(({ version }) => version),
    [newest, 1],
  )
  assert.equal(connection.versionOf('Heartbeat'), 4)
  connection.close()
})

test('requests are pipelined and each gets its own answer', async () => {
  const held: (() => void)[] = []
  const broker = scriptedBroker({
    Heartbeat: ({ body, duplex, version }: Asked) => {
      const { generationId } = body as { generationId: number }
      const answer = encodeResponse('Heartbeat', version, generationId, { errorCode: generationId })
      held.push(() => duplex.write(answer))
      return undefined
    },
  })
  const connection = await open(broker.dial)
  const answers = [1, 2, 3].map((generationId) =>
    connection.request('Heartbeat', { ...heartbeat, generationId }),
  )
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(held.length, 3, 'all three are asked before one is answered')
  for (const release of held) release()
  const codes = (await Promise.all(answers)).map(({ errorCode }) => errorCode)
  assert.deepEqual(codes, [1, 2, 3])
  connection.close()
})

test('requests beyond what may be in flight wait their turn, in order', async () => {
  let inFlight = 0
  let most = 0
  const order: number[] = []
  const broker = scriptedBroker({
    Heartbeat: ({ body, duplex, version, correlationId }: Asked) => {
      const { generationId } = body as { generationId: number }
      order.push(generationId)
      most = Math.max(most, ++inFlight)
      const answer = encodeResponse('Heartbeat', version, correlationId, {
        errorCode: generationId,
      })
      setTimeout(() => {
        inFlight--
        duplex.write(answer)
      }, 1)
    },
  })
  const connection = await open(broker.dial)
  const numbers = Array.from({ length: 2_500 }, (_, i) => i)
  const answers = numbers.map((generationId) =>
    connection.request('Heartbeat', { ...heartbeat, generationId }),
  )
  const codes = (await Promise.all(answers)).map(({ errorCode }) => errorCode)
  assert.deepEqual(codes, numbers)
  assert.deepEqual(order, numbers)
  assert.equal(most, 100)
  connection.close()
})

test('requests that still wait fail with the connection', async () => {
  const broker = scriptedBroker({ Heartbeat: () => undefined })
  const connection = await open(broker.dial)
  const answers = Array.from({ length: 150 }, () => connection.request('Heartbeat', heartbeat))
  connection.close()
  const settled = await Promise.allSettled(answers)
  assert.ok(settled.every(({ status }) => status === 'rejected'))
})

test('an answer that does not come in time ends the connection and everything on it', async () => {
  const broker = scriptedBroker({ Heartbeat: () => undefined, ListGroups: () => undefined })
  const connection = await open(broker.dial)
  const late = connection.request('Heartbeat', heartbeat, { timeoutMs: 30 })
  const behind = connection.request('ListGroups', {})
  await assert.rejects(late, { code: 'timeout', retriable: true, message: /one:1.*30 ms/ })
  await assert.rejects(behind, { retriable: true })
  assert.ok(connection.isClosed)
  await assert.rejects(connection.request('ListGroups', {}), { retriable: true })
})

test('a broker that goes away fails what is in flight as retriable', async () => {
  const broker = scriptedBroker({ Heartbeat: ({ duplex }) => duplex.destroy() })
  const connection = await open(broker.dial)
  const asked = connection.request('Heartbeat', heartbeat)
  await assert.rejects(asked, { code: 'connection-lost', retriable: true })
  assert.ok(connection.isClosed)
})

test('what is not the protocol ends the connection with a hint', async () => {
  const dial: Dial = async () => {
    const [ours, theirs] = pipe()
    theirs.onBytes(() => theirs.write([new TextEncoder().encode('HTTP/1.1 400 Bad Request\r\n')]))
    return ours
  }
  await assert.rejects(open(dial), { code: 'connection-lost', message: /plain-text port/ })
})

test('an answer to another request ends the connection', async () => {
  const broker = scriptedBroker({
    Heartbeat: ({ duplex, version }) =>
      void duplex.write(encodeResponse('Heartbeat', version, 77, {})),
  })
  const connection = await open(broker.dial)
  await assert.rejects(connection.request('Heartbeat', heartbeat), {
    code: 'connection-lost',
    message: /another request/,
  })
})

test('a connection that cannot be made names the address', async () => {
  const refuse: Dial = async () => {
    throw new Error('nobody there')
  }
  await assert.rejects(open(refuse), {
    code: 'connection-failed',
    retriable: true,
    message: /one:1: nobody there/,
  })
  const hang: Dial = () => new Promise(() => undefined)
  await assert.rejects(open(hang, 30), { code: 'connection-failed', message: /one:1 in time/ })
})
