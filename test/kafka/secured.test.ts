/** Clusters as they are run: TLS, client certificates and SASL, against a real Kafka node. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Secured } from '../../scripts/kafka/secured.ts'
import type { HeadwaterError } from '../../src/base/errors.ts'
import { createTopics } from '../../src/client/admin.ts'
import { Cluster } from '../../src/client/cluster/cluster.ts'
import type { KafkaOptions } from '../../src/client/security/kafka.ts'
import { kafka } from '../../src/client/security/kafka.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import { apis } from '../../src/protocol/api.ts'
import { run } from '../../src/streams/runtime/run.ts'
import { apiKeyOf, cutting, freshName, keepAwake } from '../client-suite/peer.ts'
import { assertShipped } from '../streams-suite/operators.ts'
import { createTopicsOf, write } from '../streams-suite/place.ts'
import { orders, payments, shipping } from '../streams-suite/services.ts'
import { Orders, Payments } from '../types/shop.ts'
import { emptyPlace } from './empty-place.ts'

const { KAFKA_SECURED, KAFKA_BOOTSTRAP } = process.env
assert.ok(KAFKA_SECURED, 'KAFKA_SECURED is not set; run these tests by npm run test:kafka')
const { ports, user, briefMs, ...pem } = JSON.parse(KAFKA_SECURED) as Secured

keepAwake()

const directory = mkdtempSync(join(tmpdir(), 'headwater-secured-'))
after(() => rmSync(directory, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** The certificate is for `localhost`, and the node says that it is at 127.0.0.1. */
const tls = `ca=${pem.ca}&servername=localhost`
const passwordFile = file('password', `${user.password}\n`)
const wrongFile = file('wrong', 'not-the-password\n')

/** Unsecured (RFC 7515, `none`), as this node takes them. */
function token(seconds = 600): string {
  const now = Date.now() / 1000
  const claims = { sub: 'alice', iat: now - 100, exp: now + seconds }
  const parts = [{ alg: 'none' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  return `${parts.join('.')}.`
}

const tokenFile = file('token', token())
const staleFile = file('stale', token(-60))
const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512']
const signingIn = [
  ...mechanisms.map(
    (mechanism) =>
      `kafka+ssl://${user.name}@localhost:${ports.sasl}?sasl=${mechanism}&password-file=${passwordFile}&${tls}`,
  ),
  `kafka+ssl://localhost:${ports.sasl}?sasl=oauthbearer&token-file=${tokenFile}&${tls}`,
]

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The `headwater` command, as people run it. */
function headwater(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const command = join(import.meta.dirname, '../../bin/headwater.mjs')
  const options = { env: { ...process.env, ...env }, timeout: 60_000 }
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

function connect(address: string, options?: KafkaOptions): Promise<Cluster> {
  return Cluster.connect({ ...kafka(address, options), clock: nodeClock, random: nodeRandom })
}

const topic = freshName('secured')

before(async () => {
  await using cluster = await connect(KAFKA_BOOTSTRAP!)
  await createTopics(cluster, [{ name: topic, partitions: 1, replicationFactor: 1 }])
  await cluster.partitionCount(topic)
  const producer = new Producer(cluster)
  await producer.init()
  producer.append(topic, 0, Date.now(), null, Buffer.from('hello'))
  await producer.flush()
  await producer.close()
})

describe('a connection string', () => {
  for (const address of [
    `kafka+ssl://localhost:${ports.ssl}?${tls}`,
    `kafka+ssl://127.0.0.1:${ports.mutual}?${tls}&cert=${pem.cert}&key=${pem.key}`,
    `kafka://${user.name}:${user.password}@127.0.0.1:${ports.saslPlaintext}?sasl=scram-sha-256`,
    ...signingIn,
  ]) {
    it(`reaches the node: ${address.replaceAll(directory, '')}`, async () => {
      const list = await headwater(['topics', 'list', '--broker', address])
      assert.equal(list.stderr, '')
      assert.match(list.stdout, new RegExp(topic))
      const tail = await headwater(['tail', topic, '--json'], { HEADWATER_BROKER: address })
      assert.equal(tail.stderr, '')
      assert.match(tail.stdout, /hello/)
    })
  }

  it('on the command line beats the one in the environment', async () => {
    const env = { HEADWATER_BROKER: 'localhost:1' }
    const [there] = signingIn
    assert.equal((await headwater(['topics', '--broker', there!], env)).code, 0)
    const { code, stderr } = await headwater(['topics', 'list'], env)
    assert.equal(code, 1)
    assert.match(stderr, /localhost:1 \(ECONNREFUSED\)/)
  })

  it('may have a password that stands in the environment', async () => {
    const HEADWATER_BROKER = `kafka+ssl://${user.name}@localhost:${ports.sasl}?sasl=plain&${tls}`
    const env = { HEADWATER_BROKER, HEADWATER_BROKER_PASSWORD: user.password }
    assert.equal((await headwater(['topics', 'list'], env)).code, 0)
  })

  it('reaches the cluster by the second address when nobody is at the first', async () => {
    const two = signingIn[1]!.replace('localhost:', 'localhost:1,localhost:')
    const { code, stdout } = await headwater(['topics', 'list', '--broker', two])
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(topic))
  })
})

describe('what is refused', () => {
  const sasl = (mechanism: string, rest: string) =>
    `kafka+ssl://${user.name}@localhost:${ports.sasl}?sasl=${mechanism}&${rest}&${tls}`
  const offer = /it offers (?=.*PLAIN)(?=.*SCRAM-SHA-256)(?=.*SCRAM-SHA-512)(?=.*OAUTHBEARER)/
  const cases: [what: string, address: string, code: string, ...RegExp[]][] = [
    ...mechanisms.map((mechanism): [string, string, string, ...RegExp[]] => [
      `a wrong password by ${mechanism}`,
      sasl(mechanism, `password-file=${wrongFile}`),
      'authentication-failed',
      new RegExp(`'alice' by ${mechanism.toUpperCase()}`),
      offer,
      /correct the user or the password/,
    ]),
    [
      'a token that is over',
      `kafka+ssl://localhost:${ports.sasl}?sasl=oauthbearer&token-file=${staleFile}&${tls}`,
      'authentication-failed',
      /by OAUTHBEARER: .*invalid_token/,
      offer,
    ],
    [
      'a mechanism that is not offered',
      `kafka://a:b@localhost:${ports.saslPlaintext}?sasl=plain`,
      'authentication-failed',
      /does not take PLAIN; it offers (?=.*SCRAM-SHA-256)(?=.*SCRAM-SHA-512)/,
    ],
    [
      'signing in where nobody is asked',
      `kafka://a:b@${KAFKA_BOOTSTRAP}?sasl=plain`,
      'authentication-failed',
      /does not ask who its clients are/,
    ],
    [
      'nobody where somebody is asked',
      `localhost:${ports.saslPlaintext}`,
      'connection-lost',
      /if this port asks who its clients are/,
    ],
    [
      'a certificate of another authority',
      `kafka+ssl://localhost:${ports.ssl}?ca=${pem.otherCa}`,
      'tls-failed',
      /not signed by the authority that ca= names/,
    ],
    [
      'a certificate of an authority that nobody named',
      `kafka+ssl://localhost:${ports.ssl}`,
      'tls-failed',
      /\(UNABLE_TO_VERIFY_LEAF_SIGNATURE\); name the file .* with ca=/,
    ],
    [
      'a certificate for another name',
      `kafka+ssl://localhost:${ports.ssl}?ca=${pem.ca}&servername=else.test`,
      'tls-failed',
      /is for DNS:localhost, and not for 'else\.test'/,
    ],
    [
      'a certificate that is not for what the node says where it is',
      `kafka+ssl://localhost:${ports.ssl}?ca=${pem.ca}`,
      'tls-failed',
      /is for DNS:localhost, and not for '127\.0\.0\.1'/,
      /the address the broker advertises/,
    ],
    [
      'no certificate where one is asked for',
      `kafka+ssl://localhost:${ports.mutual}?${tls}`,
      'tls-failed',
      /refuses this client in TLS .* with cert= and key=/,
    ],
    [
      'plain text to a port of TLS',
      `localhost:${ports.ssl}`,
      'tls-failed',
      /speaks TLS .* write kafka\+ssl:\/\//,
    ],
    [
      'TLS to a port of plain text',
      `kafka+ssl://${KAFKA_BOOTSTRAP}`,
      'connection-failed',
      /if this is a plain-text port, write kafka:\/\//,
    ],
  ]
  for (const [what, address, code, ...messages] of cases) {
    it(`says why: ${what}`, async () => {
      const from = performance.now()
      const ran = await headwater(['topics', 'list', '--json', '--broker', address])
      assert.ok(performance.now() - from < 30_000)
      assert.equal(ran.code, 1)
      const { error } = JSON.parse(ran.stderr) as { error: { code: string; message: string } }
      assert.equal(error.code, code, error.message)
      for (const message of messages) assert.match(error.message, message)
      for (const secret of [user.password, 'not-the-password']) {
        assert.ok(!`${ran.stdout}${ran.stderr}`.includes(secret), ran.stderr)
      }
    })
  }

  it('stops a service at its start instead of being tried again', async () => {
    const broker = kafka(sasl('scram-sha-256', `password-file=${wrongFile}`))
    const from = performance.now()
    await assert.rejects(run(shipping, { broker }), (error: HeadwaterError) => {
      assert.deepEqual([error.code, error.retriable], ['authentication-failed', false])
      return true
    })
    assert.ok(performance.now() - from < 10_000)
  })
})

/** Where a sign-in holds for seconds, so that it is renewed again and again. */
const briefly = kafka(
  `kafka+ssl://${user.name}@localhost:${ports.brief}?sasl=scram-sha-512&password-file=${passwordFile}&${tls}`,
)

describe('a sign-in that is almost over', () => {
  for (const [mechanism, broker] of [
    ['SCRAM-SHA-512', briefly],
    [
      'OAUTHBEARER',
      kafka(`kafka+ssl://localhost:${ports.brief}?${tls}`, {
        sasl: {
          mechanism: 'OAUTHBEARER',
          // Over before the sign-in would be, so each needs a new one.
          token: () => ({ value: token(2.8), expiresAt: Date.now() + 2_800 }),
        },
      }),
    ],
  ] as const) {
    it(`is renewed on its connection, and a request in flight is answered: ${mechanism}`, async () => {
      let dialled = 0
      let handshakes = 0
      const dial = cutting(
        (host, port) => {
          dialled++
          return broker.dial(host, port)
        },
        {
          onRequest: (chunks) => {
            if (apiKeyOf(chunks) === apis.SaslHandshake.key) handshakes++
            return 'pass'
          },
        },
      )
      const parts = { clock: nodeClock, random: nodeRandom, requestTimeoutMs: 10_000 }
      await using cluster = await Cluster.connect({ ...broker, dial, ...parts })
      await cluster.partitionCount(topic)
      const before = dialled
      // Each waits for a second, and the next one leaves before it is answered.
      const [node] = cluster.metadata.brokerIds()
      const waiting: Promise<unknown>[] = []
      const fetch = { maxWaitMs: 1_000, minBytes: 1_000_000, maxBytes: 1_000_000, topics: [] }
      const end = performance.now() + 3.5 * briefMs
      while (performance.now() < end) {
        waiting.push(cluster.send(node!, 'Fetch', fetch))
        await delay(100)
        waiting.push(cluster.send(node!, 'Metadata', { topics: [] }))
        await delay(700)
      }
      await Promise.all(waiting)
      assert.equal(dialled, before)
      assert.ok(handshakes >= dialled + 3, `${handshakes} sign-ins on ${dialled} connections`)
    })
  }
})

describe('a service over TLS and SASL', () => {
  it('counts exactly once while its sign-ins run out and instances come and go', async () => {
    const place = await emptyPlace(briefly)
    await createTopicsOf(place, shipping)
    await write(place, Orders, orders(0, 1000))
    const settings = { broker: briefly, sessionTimeoutMs: 6_000 }
    await using first = await run(shipping, { ...settings, instanceId: 'a' })
    await write(place, Payments, payments(0, 400))
    await delay(briefMs)
    await using second = await run(shipping, { ...settings, instanceId: 'b' })
    await write(place, Payments, payments(400, 700))
    await delay(briefMs)
    await Promise.all([write(place, Payments, payments(700, 1000)), first.close()])
    await second.caughtUp()
    await delay(briefMs)
    assert.equal(second.stats().repairs, 0)
    await second.close()
    await assertShipped(place, 1000)
  })

  it('goes on when tokens can be had again, and stops for good when they are refused', async () => {
    let give = () => ({ value: token(2.8), expiresAt: Date.now() + 2_800 })
    const broker = kafka(`kafka+ssl://localhost:${ports.brief}?${tls}`, {
      sasl: { mechanism: 'OAUTHBEARER', token: () => give() },
    })
    const place = await emptyPlace(broker)
    await createTopicsOf(place, shipping)
    await write(place, Orders, orders(0, 200))
    await write(place, Payments, payments(0, 100))
    await using app = await run(shipping, { broker, sessionTimeoutMs: 6_000 })
    await app.caughtUp()
    const good = give
    give = () => {
      throw new Error('the token endpoint says 503')
    }
    const deadline = performance.now() + 30_000
    while (app.stats().lastError === undefined && performance.now() < deadline) await delay(50)
    assert.match(app.stats().lastError!.message, /the token endpoint says 503/)
    give = good
    await write(place, Payments, payments(100, 200))
    await app.caughtUp()
    await assertShipped(place, 200)
    give = () => ({ value: token(-60), expiresAt: Date.now() + 2_800 })
    await assert.rejects(app.failed, { code: 'authentication-failed', message: /invalid_token/ })
    assert.equal(app.stats().state, 'failed')
  })
})
