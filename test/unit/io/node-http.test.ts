/** What the HTTP port does with clients that send much and read nothing, and with many clients. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeHttpFollow } from '../../../src/io/node-http-ask.ts'
import { nodeHttp } from '../../../src/io/node-http.ts'

const answerBytes = 8 * 1024 * 1024
const request = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'

/** A server and clients of it that are gone after the test, however it ends. */
async function serving(
  answer: () => Response,
  test: (dial: () => Socket) => Promise<void>,
  stallMsMax?: number,
): Promise<void> {
  const server = await nodeHttp.listen('127.0.0.1', 0, answer, stallMsMax)
  const clients: Socket[] = []
  const dial = (): Socket => {
    const client = connect(server.port, '127.0.0.1')
    clients.push(client.on('error', () => undefined))
    return client
  }
  try {
    await test(dial)
  } finally {
    for (const client of clients) client.destroy()
    await server.close()
  }
}

describe('an HTTP server', () => {
  it('makes one answer at a time for a connection, however many requests it sends', () => {
    let answered = 0
    const answer = (): Response => {
      answered++
      return new Response('x'.repeat(answerBytes))
    }
    return serving(answer, async (dial) => {
      const client = dial()
      await once(client, 'connect')
      client.write(request.repeat(200))
      await delay(300)
      assert.equal(answered, 1)
      client.resume()
      const deadline = performance.now() + 20_000
      while (answered === 1 && performance.now() < deadline) await delay(10)
      assert.ok(answered > 1, 'the next ones wait for good')
    })
  })

  it('closes the connection of who goes on asking behind an answer that has no end', () => {
    const answer = () =>
      new Response(new ReadableStream({ start: (to) => to.enqueue(Buffer.from('x')) }))
    return serving(answer, async (dial) => {
      const patient = dial()
      patient.write(request.repeat(1 + 256))
      const greedy = dial()
      greedy.write(request.repeat(2 + 256))
      for (const client of [patient, greedy]) client.resume()
      await Promise.race([once(greedy, 'close'), delay(20_000, undefined, { ref: false })])
      assert.ok(greedy.closed, 'one more was let in')
      assert.equal(patient.closed, false)
    })
  })

  it('closes the connection of who takes nothing of an answer', () => {
    const answer = () => new Response('x'.repeat(answerBytes))
    return serving(
      answer,
      async (dial) => {
        const client = dial()
        client.write(request)
        await delay(1_000)
        let received = 0
        client.on('data', (chunk: Buffer) => (received += chunk.length))
        await Promise.race([once(client, 'close'), delay(1_000)])
        assert.ok(received < answerBytes, `${received} bytes came`)
      },
      200,
    )
  })

  it('has room for so many connections, and closes more as they come', () =>
    serving(
      () => new Response('here'),
      async (dial) => {
        // An answer shows that the server has a connection; too many at once would wait in the system's line.
        const open = async (): Promise<void> => {
          const client = dial()
          client.write(request)
          assert.match(String(await once(client, 'data')), / 200 OK/)
        }
        for (let opened = 0; opened < 1_024; opened += 128) {
          await Promise.all(Array.from({ length: 128 }, open))
        }
        const more = dial().resume()
        await Promise.race([once(more, 'close'), delay(20_000, undefined, { ref: false })])
        assert.ok(more.closed, 'one more was let in')
      },
    ))
})

describe('following an answer over HTTP', () => {
  const given = { headers: {}, timeoutMs: 10_000, quietMsMax: 10_000 }

  /** Follows a server that sends a little and then nothing. */
  async function following(
    test: (o: { url: string; stop: AbortController; end: () => void }) => Promise<void>,
    answer?: () => Promise<Response>,
  ): Promise<void> {
    const little = async () =>
      new Response(
        new ReadableStream({
          start: (controller) => {
            controller.enqueue(Buffer.from('little'))
          },
        }),
      )
    const server = await nodeHttp.listen('127.0.0.1', 0, answer ?? little)
    const stop = new AbortController()
    const end = (): void => void server.close()
    try {
      await test({ url: `http://127.0.0.1:${server.port}/feed`, stop, end })
    } finally {
      stop.abort()
      await server.close()
    }
  }

  it('gives what comes, and says when nothing does any more', () =>
    following(async ({ url, stop }) => {
      const o = { ...given, quietMsMax: 200, signal: stop.signal }
      const { status, body } = await nodeHttpFollow(url, o)
      assert.equal(status, 200)
      const chunks = body[Symbol.asyncIterator]()
      assert.equal(Buffer.from((await chunks.next()).value).toString(), 'little')
      const started = performance.now()
      await assert.rejects(chunks.next(), {
        code: 'timeout',
        retriable: true,
        message: /\/feed for 200 ms, no sign of life either: see whether the server is there/,
      })
      assert.ok(performance.now() - started < 5_000)
    }))

  it('says when it breaks off, and ends when it is told to', async () => {
    await following(async ({ url, stop, end }) => {
      const { body } = await nodeHttpFollow(url, { ...given, signal: stop.signal })
      const chunks = body[Symbol.asyncIterator]()
      await chunks.next()
      const lost = assert.rejects(chunks.next(), { code: 'connection-lost', retriable: true })
      end()
      await lost
    })
    await following(async ({ url, stop }) => {
      const { body } = await nodeHttpFollow(url, { ...given, signal: stop.signal })
      const chunks = body[Symbol.asyncIterator]()
      await chunks.next()
      const ended = assert.rejects(chunks.next())
      stop.abort()
      await ended
    })
  })

  it('waits no longer to be answered than it was told', () =>
    following(
      ({ url, stop }) =>
        assert.rejects(nodeHttpFollow(url, { ...given, timeoutMs: 100, signal: stop.signal }), {
          code: 'timeout',
          message: /has not answered within 100 ms/,
        }),
      () => new Promise(() => undefined),
    ))
})
