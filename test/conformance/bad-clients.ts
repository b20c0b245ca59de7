/** Clients that no broker should mind. Each is connected and has begun when its promise resolves. */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { RawClient } from './raw-client.ts'

const mebibyte = 1024 * 1024
const unreadFetches = 30
const largeFrameBytes = 90e6

/** Asks for all there is of a topic, again and again, and reads nothing. */
export async function neverRead(
  port: number,
  topic: string,
  partitionCount: number,
): Promise<RawClient> {
  const client = await RawClient.connect(port)
  client.duplex.pause()
  for (let fetchOffset = 0; fetchOffset < unreadFetches; fetchOffset++) {
    const partitions = Array.from({ length: partitionCount }, (_, partition) => {
      return { partition, fetchOffset, partitionMaxBytes: mebibyte }
    })
    const topics = [{ topic, partitions }]
    client.send('Fetch', 12, { maxWaitMs: 100, minBytes: 1, maxBytes: 50 * mebibyte, topics })
  }
  return client
}

/** Sends half of a request of 90 MB, and then nothing. */
export async function sendHalf(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port)
  const half = new Uint8Array(largeFrameBytes / 2)
  new DataView(half.buffer).setInt32(0, largeFrameBytes)
  client.duplex.write([half])
  return client
}

/** Many connections at once: of each four one says nothing, others noise, half a frame, something sound. */
export async function crowd(port: number, count: number): Promise<{ close(): void }> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'))
  // The broker may close any of them, and be gone.
  for (const socket of sockets) socket.on('error', () => {})
  await Promise.allSettled(sockets.map((socket) => once(socket, 'connect')))
  for (const [at, socket] of sockets.entries()) say(socket, at % 4)
  return {
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** ApiVersions v0, correlation id 1, no client id. */
const soundRequest = Buffer.from('0000000a0012000000000001ffff', 'hex')

function say(socket: Socket, what: number): void {
  if (what === 1) socket.write(Buffer.alloc(64, 0x7f))
  if (what === 2) socket.write(soundRequest.subarray(0, 9))
  if (what === 3) socket.write(soundRequest)
}
