/** Asking over HTTP: how many questions one server has at a time, and how long those wait that are not among them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeHttp } from '../../../src/io/node-http.ts'

const askedAtOnceMax = 64
const options = { headers: {}, timeoutMs: 10_000, bytesMax: 100_000 }

describe('who asks over HTTP', () => {
  it('gets every answer, however many questions there are at once, on few connections', async () => {
    let [now, most] = [0, 0]
    const full = Promise.withResolvers<void>()
    const server = await nodeHttp.listen('127.0.0.1', 0, async () => {
      most = Math.max(most, ++now)
      if (now === askedAtOnceMax) full.resolve()
      // Nobody is answered before as many are asking as may: how fast they come decides nothing.
      await full.promise
      await delay(5)
      now--
      return new Response('here')
    })
    try {
      const url = `http://127.0.0.1:${server.port}/`
      const asked = Array.from({ length: 1_500 }, () => nodeHttp.ask(url, options))
      const answers = await Promise.all(asked)
      assert.ok(answers.every(({ status }) => status === 200))
      assert.equal(most, askedAtOnceMax)
    } finally {
      await server.close()
    }
  })

  it('waits for a turn no longer than for an answer, and keeps no other server waiting', async () => {
    const stuck = await nodeHttp.listen('127.0.0.1', 0, () => new Promise<Response>(() => {}))
    const other = await nodeHttp.listen('127.0.0.1', 0, () => new Response('here'))
    try {
      const url = `http://127.0.0.1:${stuck.port}/`
      const asked = Array.from({ length: askedAtOnceMax + 1 }, () =>
        nodeHttp.ask(url, { ...options, timeoutMs: 300 }),
      )
      const settled = Promise.allSettled(asked)
      assert.equal((await nodeHttp.ask(`http://127.0.0.1:${other.port}/`, options)).status, 200)
      for (const each of await settled) {
        assert.equal(each.status === 'rejected' && each.reason.code, 'timeout')
      }
    } finally {
      await Promise.all([stuck.close(), other.close()])
    }
  })

  it('takes so many bytes of an answer, and ends the connection of who says more', async () => {
    const ended = Promise.withResolvers<void>()
    let given = 0
    const server = await nodeHttp.listen('127.0.0.1', 0, (request) => {
      if (request.url.endsWith('/whole')) return new Response('x'.repeat(100_000))
      const body = new ReadableStream({
        pull: (controller) => {
          given += 10_000
          controller.enqueue(new Uint8Array(10_000))
        },
        cancel: () => ended.resolve(),
      })
      return new Response(body)
    })
    try {
      const url = `http://127.0.0.1:${server.port}`
      assert.equal((await nodeHttp.ask(`${url}/whole`, options)).body.length, 100_000)
      await assert.rejects(nodeHttp.ask(`${url}/endless`, options), {
        code: 'query-failed',
        message: /more than 100000 bytes/,
      })
      await ended.promise
      assert.ok(given < 50_000_000, `${given}`)
    } finally {
      await server.close()
    }
  })
})
