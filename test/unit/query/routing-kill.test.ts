/** Instances that are killed and come back while they are asked. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { addressText } from '../../../src/base/address.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { connect } from '../../../src/query/client.ts'
import { asked } from './asked.ts'
import type { Asked } from './asked.ts'
import { board, pages, written } from './board.ts'

/** How long the other one may be in finding that one was killed: a session, a rebalance and some room. */
const goneMsMax = 30_000

describe('two instances of which one is killed and comes back', () => {
  it('never say that there is nothing, and have all answers again', async () => {
    await using services = await asked()
    await written(services)
    const a = await services.start(
      board,
      { instanceId: 'a', sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 },
      { isShared: true },
    )
    let other = await startOther(services, 0)
    await until(async () => (await countAnswers(other.url)) === pages.length)

    const asking = new Asking([a.url, () => other.url])
    // Within its session it gets back what it had, at another address, of which the others have to hear.
    await other.kill()
    other = await startOther(services, 0)
    await until(async () => (await countAnswers(a.url)) === pages.length)
    assert.equal(await countAnswers(other.url), pages.length)

    // Gone for longer than its session: the other one takes over, and then it comes back where it was.
    const { port } = other
    await other.kill()
    await until(async () => (await countAnswers(a.url)) === pages.length)
    assert.equal((await a.app.query.perPage.page()).partitions.covered.length, 4)
    other = await startOther(services, port)
    await until(async () => (await countAnswers(other.url)) === pages.length)
    assert.equal(await countAnswers(a.url), pages.length)
    const lists = [a.url, other.url].map((url) =>
      Array.fromAsync(connect<typeof board>(url).perPage.scan()),
    )
    for (const rows of await Promise.all(lists)) {
      assert.deepEqual(
        rows,
        pages.map((page, n) => [page, n + 1]),
      )
    }
    const seen = await asking.end()
    assert.ok(seen.answers > 50, JSON.stringify(seen))
    await other.kill()
  })
})

/** Asks for one key after the other, here and there, in both encodings, and fails at the first wrong answer. */
class Asking {
  #isOver = false
  readonly #seen = { answers: 0, notReady: 0, gone: 0 }
  readonly #loops: Promise<unknown>

  constructor(urls: readonly (string | (() => string))[]) {
    const loops = urls.map((url) => this.#ask(typeof url === 'string' ? () => url : url))
    this.#loops = Promise.all(loops)
    this.#loops.catch(() => undefined)
  }

  async end() {
    this.#isOver = true
    await this.#loops
    return this.#seen
  }

  async #ask(url: () => string): Promise<void> {
    for (let n = 0; !this.#isOver; n = (n + 1) % pages.length) {
      await this.#askJson(url(), n)
      await this.#askLossless(url(), n)
      if (n % 10 === 0) await this.#list(url())
      await delay(1)
    }
  }

  async #askJson(url: string, n: number): Promise<void> {
    const response = await fetch(`${url}/perPage?key=${pages[n]!}`).catch(() => undefined)
    if (response === undefined) return this.#gone()
    // A process that is killed in the middle has said nothing.
    const text = await response.text().catch(() => undefined)
    if (text === undefined) return this.#gone()
    const body: unknown = JSON.parse(text)
    if (response.status === 200) {
      assert.equal(body, n + 1)
      this.#seen.answers++
      return
    }
    const { error } = body as { error: { code: string } }
    const retryAfter = response.headers.get('retry-after')
    assert.deepEqual([response.status, error.code, retryAfter], [503, 'not-ready', '1'], text)
    this.#seen.notReady++
  }

  async #askLossless(url: string, n: number): Promise<void> {
    try {
      assert.equal(await connect<typeof board>(url).perPage.get(pages[n]!), n + 1)
      this.#seen.answers++
    } catch (error) {
      this.#failed(error)
    }
  }

  async #list(url: string): Promise<void> {
    try {
      const { entries, partitions } = await connect<typeof board>(url).perPage.page({ limit: 100 })
      assert.deepEqual(
        entries,
        pages.map((page, n) => [page, n + 1]),
      )
      assert.deepEqual(partitions, { count: 4, covered: [0, 1, 2, 3] })
      this.#seen.answers++
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    if (isHeadwaterError(error, 'not-ready')) this.#seen.notReady++
    else if (isHeadwaterError(error, 'connection-failed')) this.#seen.gone++
    else throw error
  }

  #gone(): void {
    this.#seen.gone++
  }
}

async function startOther({ broker }: Asked, port: number) {
  const args = [addressText(broker.bootstrap[0]), 'b', String(port)]
  const child = fork(new URL('./instance-child.ts', import.meta.url), args, { stdio: 'inherit' })
  const [given] = (await Promise.race([once(child, 'message'), diedEarly(child)])) as [number]
  return {
    port: given,
    url: `http://127.0.0.1:${given}/v1/board`,
    kill: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function diedEarly(child: ChildProcess): Promise<never> {
  await once(child, 'exit')
  throw new Error('the instance has ended before it ran')
}

/** How many keys are answered; each must be right. */
async function countAnswers(url: string): Promise<number> {
  const answers = await Promise.all(
    pages.map(async (page, n) => {
      const response = await fetch(`${url}/perPage?key=${page}`)
      const body: unknown = await response.json()
      if (response.status !== 200) return false
      assert.equal(body, n + 1)
      return true
    }),
  )
  return answers.filter(Boolean).length
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const from = performance.now(); !(await isSo()); await delay(50)) {
    assert.ok(performance.now() - from < goneMsMax, 'it did not come to be')
  }
}
