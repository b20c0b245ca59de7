/** TLS against real TLS: a broker of ours behind an end that encrypts, with certificates made for the day. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer as createPlainServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createServer, type TlsOptions as ServerOptions } from 'node:tls'
import { certificateAuthority, type Authority } from '../../../scripts/certificates.ts'
import { embedded, type EmbeddedBroker } from '../../../src/broker/embedded.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Connection } from '../../../src/client/cluster/connection.ts'
import { kafka } from '../../../src/client/security/kafka.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { nodeTls } from '../../../src/io/node-tls.ts'
import type { TlsOptions } from '../../../src/io/ports.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import { noIPv6 } from '../../conformance/this-machine.ts'

keepAwake()

const host = '127.0.0.1'
const directory = mkdtempSync(join(tmpdir(), 'headwater-tls-'))
let authority: Authority
let other: Authority
let broker: EmbeddedBroker

before(async () => {
  authority = await certificateAuthority('ours')
  other = await certificateAuthority('theirs')
  broker = await embedded(directory)
})

after(async () => {
  await broker.close()
  rmSync(directory, { recursive: true })
})

/** The port of the broker behind TLS, for one test. */
async function behind(
  options: ServerOptions,
  test: (port: number) => Promise<void>,
  at = host,
): Promise<void> {
  const server = createServer({ ...options }, (socket) => {
    const inner = connect(broker.bootstrap[0])
    socket.on('error', () => inner.destroy())
    inner.on('error', () => socket.destroy())
    socket.pipe(inner).pipe(socket)
  })
  server.on('tlsClientError', () => undefined)
  await once(server.listen(0, at), 'listening')
  try {
    await test((server.address() as AddressInfo).port)
  } finally {
    server.close()
  }
}

/** How many brokers are there, asked over TLS alone. */
async function ask(port: number, ssl: boolean | TlsOptions, at = host): Promise<number> {
  const { dial } = kafka(`localhost:${port}`, { ssl })
  // The broker says where it is in plain text, which nobody dials here.
  const only = (): ReturnType<typeof dial> => dial(at, port)
  const bootstrap = [{ host: at, port }]
  const times = { clock: nodeClock, random: nodeRandom, retryTimeoutMs: 1_000 }
  await using cluster = await Cluster.connect({ bootstrap, dial: only, ...times })
  return cluster.metadata.brokerIds().length
}

describe('TLS', () => {
  it('reaches a broker whose certificate is for the host dialled, or for the one that is meant', async () => {
    const certificate = await authority.sign('broker', { dns: ['broker.test'], ips: [host] })
    await behind(certificate, async (port) => {
      const { ca } = authority
      assert.equal(await ask(port, { ca }), 1)
      assert.equal(await ask(port, { ca, servername: 'broker.test' }), 1)
      assert.equal(await ask(port, { ca, servername: host }), 1)
    })
  })

  it('goes over IPv6, too', { skip: noIPv6 }, async () => {
    const certificate = await authority.sign('broker', { ips: ['::1'] })
    const { ca } = authority
    await behind(
      certificate,
      async (port) => assert.equal(await ask(port, { ca }, '::1'), 1),
      '::1',
    )
  })

  it('waits no longer than a request may take for an end that says nothing', async () => {
    const sockets: Socket[] = []
    const silent = createPlainServer((socket) => sockets.push(socket))
    await once(silent.listen(0, host), 'listening')
    const { port } = silent.address() as AddressInfo
    const from = performance.now()
    const parts = { clock: nodeClock, random: nodeRandom, clientId: 'test', requestTimeoutMs: 200 }
    await assert.rejects(Connection.open({ dial: nodeTls({}), host, port, ...parts }), {
      code: 'connection-failed',
      retriable: true,
    })
    assert.ok(performance.now() - from < 5_000)
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  it('refuses a certificate for somebody else, and names whom it is for', async () => {
    const certificate = await authority.sign('broker', { dns: ['broker.test'] })
    await behind(certificate, async (port) => {
      const { ca } = authority
      await assert.rejects(ask(port, { ca }), {
        code: 'tls-failed',
        retriable: false,
        message: /is for DNS:broker\.test, and not for '127\.0\.0\.1': .*servername=/,
      })
      await assert.rejects(ask(port, { ca, servername: 'else.test' }), { code: 'tls-failed' })
    })
  })

  it('refuses a certificate of an authority nobody named, and says how to name one', async () => {
    const certificate = await authority.sign('broker', { ips: [host] })
    await behind(certificate, async (port) => {
      await assert.rejects(ask(port, true), {
        code: 'tls-failed',
        message: /\(UNABLE_.*\); name .* ca=/,
      })
      await assert.rejects(ask(port, { ca: other.ca }), {
        code: 'tls-failed',
        message: /not signed by the authority that ca= names/,
      })
    })
  })

  it('refuses it also where the environment tells Node to look away', async () => {
    const certificate = await authority.sign('broker', { ips: [host] })
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      await behind(certificate, (port) => assert.rejects(ask(port, true), { code: 'tls-failed' }))
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    }
  })

  it('refuses a certificate whose time is over', async () => {
    const certificate = await authority.sign('broker', { ips: [host], isOver: true })
    await behind(certificate, async (port) => {
      await assert.rejects(ask(port, { ca: authority.ca }), {
        code: 'tls-failed',
        message: /CERT_HAS_EXPIRED.*renew it/,
      })
    })
  })

  it('shows its certificate where one is asked for, and says so when it has none', async () => {
    const certificate = await authority.sign('broker', { ips: [host] })
    const own = await authority.sign('client')
    const foreign = await other.sign('client')
    const { ca } = authority
    const options = { ...certificate, ca, requestCert: true, rejectUnauthorized: true }
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      await behind({ ...options, maxVersion }, async (port) => {
        assert.equal(await ask(port, { ca, ...own }), 1)
        // Some servers say why in an alert, and some just hang up.
        const code = /^tls-failed|connection-lost|connection-failed$/
        await assert.rejects(ask(port, { ca }), { code, message: /with cert= and key=/ })
        await assert.rejects(ask(port, { ca, ...foreign }), { code })
      })
    }
  })

  it('says when the other end does not speak it', async () => {
    const [{ port }] = broker.bootstrap
    await assert.rejects(ask(port, true), {
      code: 'connection-failed',
      message: /if this is a plain-text port, write kafka:\/\//,
    })
  })

  it('is missed where it is spoken, and only there', async () => {
    await behind(await authority.sign('broker', { ips: [host] }), async (port) => {
      await assert.rejects(ask(port, false), (error: { code?: string; message: string }) => {
        // The end of TLS says so in an alert, or hangs up.
        if (error.code === 'tls-failed') return /write kafka\+ssl:\/\//.test(error.message)
        return /if this port speaks TLS, write kafka\+ssl:\/\//.test(error.message)
      })
    })
  })

  it('wants certificates and keys that are some, and of one pair', async () => {
    const [one, two] = [await authority.sign('one'), await authority.sign('two')]
    const code = 'config-invalid'
    assert.throws(() => nodeTls({ ca: 'hello' }), { code, message: /ca holds no certificate/ })
    assert.throws(() => nodeTls({ cert: one.cert, key: two.key }), { code, message: /one pair/ })
    const broken = '-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n'
    assert.throws(() => nodeTls({ ca: broken }), { code })
  })
})
