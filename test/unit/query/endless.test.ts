/** Another instance at whose address somebody talks without end. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { asked } from './asked.ts'
import { board, pages } from './board.ts'
import { get, isWhole, until } from './group-of-instances.ts'

const quick = { sessionTimeoutMs: 60_000, heartbeatIntervalMs: 100 }
const mebibyte = Buffer.alloc(1024 * 1024)

describe('an instance that answers without end', () => {
  it('costs who asks it bounded memory, and is told apart from one that has no answer yet', async () => {
    let given = 0
    const server = createServer((_request, response) => {
      const go = (): void => {
        do given++
        while (!response.destroyed && response.write(mebibyte))
      }
      response.on('drain', go)
      go()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      await using services = await asked()
      const a = await services.start(board, { instanceId: 'a', ...quick }, { isShared: true })
      const queryAddress = `127.0.0.1:${port}`
      const b = await services.start(board, { instanceId: 'b', ...quick, queryAddress })
      await until(() => isWhole([a.app, b.app], 8))
      for (const page of pages) {
        const { status, body } = await get(`${a.url}/perPage?key=${page}`)
        if (status === 404) continue
        assert.deepEqual([status, body.error.code], [500, 'query-failed'])
        assert.match(body.error.message, /answers with more than \d+ bytes/)
        break
      }
      assert.ok(given > 100 && given < 400, `${given} MiB`)
      assert.equal(a.app.stats().peers[queryAddress]?.refused, 1)
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
})
