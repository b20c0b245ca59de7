/** Closing while connections are still opening: nobody waits for what may never come. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import type { Sasl } from '../../../src/client/security/sasl.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import type { Dial, Duplex } from '../../../src/io/ports.ts'
import { keepAwake, until } from '../../client-suite/peer.ts'
import { scriptedBroker } from './scripted-broker.ts'

keepAwake()

const never = (): Promise<never> => new Promise(() => undefined)
const question = { topics: [], allowAutoTopicCreation: false }
const isClosed = { code: 'connection-lost', message: 'the connection to boot:90 is closed' }

function clusterOf(dial: Dial, sasl?: Sasl): Cluster {
  const bootstrap = [{ host: 'boot', port: 90 }]
  return Cluster.unasked({ bootstrap, dial, sasl, clock: nodeClock, random: nodeRandom })
}

const signsIn = { SaslHandshake: () => ({ mechanisms: ['PLAIN'] }) }
const hangingSasl: Sasl = { mechanism: 'PLAIN', username: 'u', begin: never }

/** Each with the last that is seen of an opening before it hangs. */
const hangs = [
  ['a dial that hangs', never, undefined, undefined],
  [
    'a broker that says nothing',
    scriptedBroker({ ApiVersions: () => undefined }),
    'ApiVersions',
    undefined,
  ],
  ['a sign-in that hangs', scriptedBroker(signsIn), 'SaslHandshake', hangingSasl],
] as const

describe('closing', () => {
  for (const [what, broker, lastApi, sasl] of hangs) {
    for (const way of ['a cluster', 'a lane'] as const) {
      it(`${way} ends ${what}`, async () => {
        const cluster = clusterOf('dial' in broker ? broker.dial : broker, sasl)
        const asked = 'asked' in broker ? broker.asked : []
        asked.length = 0
        const waiting = [1, 2].map(() => cluster.send(-1, 'Metadata', question, { lane: 'long' }))
        const ends = Promise.allSettled(waiting)
        await until(() => asked.at(-1)?.api === lastApi, 'the connection is opening')
        await inTime(way === 'a lane' ? cluster.closeLane('long') : cluster.close())
        await inTime(ends)
        for (const each of waiting) await assert.rejects(each, isClosed)
        await inTime(cluster.close())
      })
    }
  }

  it('destroys a connection that comes up after all', async () => {
    let come: ((duplex: Duplex) => void) | undefined
    const cluster = clusterOf(() => new Promise((resolve) => (come = resolve)))
    const waiting = assert.rejects(cluster.connection(-1), isClosed)
    await cluster.close()
    await inTime(waiting)
    const { dial, asked } = scriptedBroker({})
    const duplex = await dial('boot', 90)
    let isDestroyed = false
    come!({ ...duplex, destroy: () => (isDestroyed = true) })
    await until(() => isDestroyed, 'it is destroyed')
    assert.deepEqual(asked, [])
  })

  it('a lane leaves the connection alone that is opened for it next', async () => {
    const { dial } = scriptedBroker({})
    const late: (() => void)[] = []
    const cluster = clusterOf(async (host, port) => {
      if (late.length === 0) await new Promise<void>((resolve) => late.push(resolve))
      return dial(host, port)
    })
    const first = assert.rejects(cluster.connection(-1, 'long'), isClosed)
    cluster.closeLane('long')
    const second = await cluster.connection(-1, 'long')
    late[0]!()
    await first
    assert.equal(await cluster.connection(-1, 'long'), second)
    await second.request('Metadata', question)
    cluster.closeLane('long')
    assert.ok(second.isClosed)
    await cluster.close()
  })
})

async function inTime(work: Promise<unknown> | void): Promise<void> {
  const late = new Promise((resolve) => setTimeout(resolve, 1_000, 'late').unref())
  assert.notEqual(await Promise.race([work, late]), 'late', 'it ends within 1 s')
}
