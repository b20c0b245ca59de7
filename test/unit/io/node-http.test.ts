/** What the HTTP port does with clients that send much and read nothing, and with many clients. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
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
