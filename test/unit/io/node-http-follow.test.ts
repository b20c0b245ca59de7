/** Answers over HTTP that go on: what is said when nothing comes any more. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodeHttpFollow } from '../../../src/io/node-http-ask.ts'
import { nodeHttp } from '../../../src/io/node-http.ts'

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
