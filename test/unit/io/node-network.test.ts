import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { utf8Bytes, utf8String } from '../../../src/base/bytes.ts'
import { listenError, nodeNetwork } from '../../../src/io/node-network.ts'
import type { Duplex } from '../../../src/io/ports.ts'
import { noIPv6 } from '../../conformance/this-machine.ts'

const host = '127.0.0.1'

test('bytes go both ways over a free port and both ends learn of the close', async () => {
  const serverClosed = Promise.withResolvers<void>()
  const listener = await nodeNetwork.listen(host, 0, (end) => {
    end.onBytes((chunk) => end.write([utf8Bytes('echo '), chunk]))
    end.onClose(() => serverClosed.resolve())
  })
  assert.ok(listener.port > 0)
  const client = await nodeNetwork.connect(host, listener.port)
  const answer = await new Promise<string>((resolve) => {
    client.onBytes((chunk) => resolve(utf8String(chunk)))
    client.write([utf8Bytes('hello')])
  })
  assert.equal(answer, 'echo hello')
  await new Promise<void>((resolve) => {
    client.onClose(() => resolve())
    client.close()
  })
  await serverClosed.promise
  await listener.close()
})

test('a used port is an error that says what to do', async () => {
  const listener = await nodeNetwork.listen(host, 0, () => {})
  await assert.rejects(
    nodeNetwork.listen(host, listener.port, () => {}),
    (error: Error & { code?: string }) =>
      error.code === 'port-in-use' && /choose/.test(error.message),
  )
  await listener.close()
})

test('a port nobody listens on is an error that names the address', async () => {
  const listener = await nodeNetwork.listen(host, 0, () => {})
  await listener.close()
  await assert.rejects(
    nodeNetwork.connect(host, listener.port),
    (error: Error & { code?: string }) =>
      error.code === 'connection-failed' && error.message.includes(`${host}:${listener.port}`),
  )
})

/** What a listener on `on` knows of a connection dialled as `to`. */
async function seenBy(on: string, to: string): Promise<Duplex> {
  const accepted = Promise.withResolvers<Duplex>()
  const listener = await nodeNetwork.listen(on, 0, accepted.resolve)
  const client = await nodeNetwork.connect(to, listener.port)
  const seen = await accepted.promise
  assert.equal(seen.local.port, listener.port)
  client.destroy()
  seen.destroy()
  await listener.close()
  return seen
}

test('both addresses of a connection are told as people write them', async () => {
  const seen = await seenBy('127.0.0.1', '127.0.0.1')
  assert.equal(seen.local.host, '127.0.0.1')
  assert.match(seen.remote, /^127\.0\.0\.1:\d+$/)
})

test('of IPv6, too', { skip: noIPv6 }, async () => {
  const seen = await seenBy('::1', '::1')
  assert.equal(seen.local.host, '::1')
  assert.match(seen.remote, /^\[::1\]:\d+$/)
})

test('of IPv4 they are so where IPv6 is listened on', { skip: noIPv6 }, async () => {
  const seen = await seenBy('::', '127.0.0.1')
  assert.equal(seen.local.host, '127.0.0.1')
  assert.match(seen.remote, /^127\.0\.0\.1:\d+$/)
})

test('an address that is not of this machine is an error that says what would be', async () => {
  const listen = nodeNetwork.listen('192.0.2.99', 0, () => {})
  const message = /^cannot listen on 192\.0\.2\.99:0: .*not an address of this machine; choose/
  await assert.rejects(listen, { code: 'connection-failed', message })
})

test('each reason why an address cannot be listened on says what to do', () => {
  const reasons: [code: string, message: RegExp][] = [
    ['EADDRINUSE', /^port 80 on \[::1\] is in use by another process: stop it, or choose/],
    [
      'EACCES',
      /^cannot listen on \[::1\]:80: this user may not take port 80; choose one from 1024/,
    ],
    ['EADDRNOTAVAIL', /: ::1 is not an address of this machine; choose one that is/],
    ['EINVAL', /: ::1 is not an address of this machine; choose one that is/],
    ['EAFNOSUPPORT', /: this machine has no IPv6, and ::1 is of it; choose one of IPv4/],
    ['ENOTFOUND', /: nobody knows the name ::1; correct it/],
    ['EAI_AGAIN', /: nobody knows the name ::1; correct it/],
    ['EODD', /: EODD; choose an address of this machine and a port you may use/],
  ]
  for (const [code, message] of reasons) {
    assert.match(listenError(Object.assign(new Error('odd'), { code }), '::1', 80).message, message)
  }
})

test('a slow reader makes write return false until it reads again', async () => {
  let server: Duplex | undefined
  const listener = await nodeNetwork.listen(host, 0, (end) => {
    server = end
    end.onBytes(() => {})
    end.pause()
  })
  const client = await nodeNetwork.connect(host, listener.port)
  let accepted = true
  for (let i = 0; i < 200 && accepted; i++) accepted = client.write([new Uint8Array(1 << 20)])
  assert.equal(accepted, false)
  server!.resume()
  await client.drained()
  client.destroy()
  server!.destroy()
  await listener.close()
})

test('a close is over soon, though the other end does not hang up or does not read', async () => {
  for (const isReading of [true, false]) {
    const closed = Promise.withResolvers<void>()
    const listener = await nodeNetwork.listen(host, 0, (end) => {
      end.onBytes(() => {})
      end.onClose(() => closed.resolve())
      if (!isReading) while (end.write([new Uint8Array(1 << 20)]));
      end.close()
    })
    const client = connect({ host, port: listener.port, allowHalfOpen: true })
    client.on('error', () => {})
    if (isReading) client.resume()
    const late = setTimeout(() => closed.reject(new Error('still open')), 10_000)
    await closed.promise
    clearTimeout(late)
    client.destroy()
    await listener.close()
  }
})
