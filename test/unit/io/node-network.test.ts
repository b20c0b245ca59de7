import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { utf8Bytes, utf8String } from '../../../src/base/bytes.ts'
import { nodeNetwork } from '../../../src/io/node-network.ts'
import type { Duplex } from '../../../src/io/ports.ts'

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
