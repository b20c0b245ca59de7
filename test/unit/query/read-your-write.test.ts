import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { keyspace } from '../../../src/events/event.ts'
import { connect } from '../../../src/query/client.ts'
import { service } from '../../../src/service/service.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import type { Receipt } from '../../../src/streams/sending/sends.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { asked, Clicks, Profiles, web } from './asked.ts'
import type { Asked } from './asked.ts'
import { get, isWhole, until } from './group-of-instances.ts'

const Letter = keyspace.string('Letter', { partitions: 3 })

const board = service('board', {
  reads: [Clicks, Profiles],
  writes: [],
  topology: (s) => {
    const clicks = s.stream(Clicks)
    return {
      perPage: clicks.count('per-page'),
      perMinute: clicks.window(tumbling('1m', { grace: '1d' })).count('per-minute'),
      perLetter: clicks.rekey('by-letter', Letter, ({ page }) => page[0]!).count('per-letter'),
      profiles: s.table(Profiles),
    }
  },
})

/** Four of clicks, as many of profiles, three behind the rekey. */
const taskCount = 11
/** Whoever waits for a commit without being heard is late. */
const lazy = { commitIntervalMs: 20_000, sessionTimeoutMs: 30_000, heartbeatIntervalMs: 100 }
const quick = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 }

function sends(services: Asked) {
  const sender = producer(web([]), { broker: services.broker })
  const at = create(TimestampSchema, { seconds: 90n })
  return {
    click: (page: string) => sender.send(Clicks, { page, times: 1, at }),
    [Symbol.asyncDispose]: () => sender.close(),
  }
}

function placeOf({ stream, partition, offset }: Receipt): string {
  return `${stream}/${partition}/${offset}`
}

describe('a query behind a receipt', () => {
  it('holds the event, in the process and from another one', async () => {
    await using services = await asked()
    const { app, url } = await services.start(board, lazy)
    await using sender = sends(services)
    const from = performance.now()
    for (const [n, views] of [app.query, connect<typeof board>(url)].entries()) {
      const count = n + 1
      assert.equal(await views.perPage.get('p', { after: await sender.click('p') }), 2 * n + 1)
      const after = [await sender.click('p')]
      const total = 2 * count
      assert.equal(await views.perLetter.get('p', { after }), total)
      assert.equal(await views.perPage.get('p', { after }), total)
      assert.equal(await views.perMinute.get('p', new Date(90_000), { after }), total)
      assert.deepEqual((await views.perPage.page({ after })).entries, [['p', total]])
      assert.deepEqual(await Array.fromAsync(views.perLetter.scan({ after })), [['p', total]])
      const range = views.perMinute.range('p', new Date(0), new Date(100_000), { after })
      assert.deepEqual(
        (await Array.fromAsync(range)).map(({ value }) => value),
        [total],
      )
    }
    // What somebody waits for is committed at once.
    assert.ok(performance.now() - from < lazy.commitIntervalMs)
  })

  it('holds the event over HTTP, and several', async () => {
    await using services = await asked()
    const { url } = await services.start(board, lazy)
    await using sender = sends(services)
    const places = await Promise.all(['a1', 'a2', 'b1'].map((page) => sender.click(page)))
    const after = places.map((each) => `after=${placeOf(each)}`).join('&')
    assert.equal((await get(`${url}/perLetter/a?${after}`)).body, 2)
    assert.equal((await get(`${url}/perPage?key=b1&${after}`)).body, 1)
    const together = places.map(placeOf).join(',')
    assert.equal((await get(`${url}/perLetter?after=${together}`)).body.entries.length, 2)
  })

  it('is answered by whoever holds the key, whoever reads the stream, and while partitions move', async () => {
    await using services = await asked()
    const a = await services.start(board, { instanceId: 'a', ...quick }, { isShared: true })
    await using sender = sends(services)
    const counts = new Map<string, number>()
    const check = async (round: number, url: string): Promise<void> => {
      for (let n = 0; n < 8; n++) {
        const page = `${'abcdefgh'[n]}${round}`
        const after = await sender.click(page)
        const count = (counts.get(page[0]!) ?? 0) + 1
        counts.set(page[0]!, count)
        const views = connect<typeof board>(url)
        const reads = [
          async () => {
            const { entries } = await answered(() => views.perLetter.page({ after }))
            assert.deepEqual(Object.fromEntries(entries), Object.fromEntries(counts))
          },
          async () => {
            assert.equal(await answered(() => views.perLetter.get(page[0]!, { after })), count)
          },
          async () => assert.equal(await answered(() => views.perPage.get(page, { after })), 1),
        ]
        // Who asks first is the one that has to wait.
        await reads[n % 3]!()
        await Promise.all(reads.map((read) => read()))
      }
    }
    await check(0, a.url)
    const b = await services.start(board, { instanceId: 'b', ...quick }, { isShared: true })
    await check(1, a.url)
    await until(() => isWhole([a.app, b.app], taskCount))
    await check(2, a.url)
    await check(3, b.url)
    await a.app.close()
    await check(4, b.url)
  })

  it('says how far the view is when that takes too long', async () => {
    await using services = await asked()
    const { app, url } = await services.start(board, quick)
    await using sender = sends(services)
    const receipt = await sender.click('p')
    const beyond = { ...receipt, offset: receipt.offset + 7 }
    for (const view of ['perPage', 'perLetter']) {
      const from = performance.now()
      const answer = await get(`${url}/${view}?key=p&after=${placeOf(beyond)}&waitMs=300`)
      assert.ok(performance.now() - from >= 300)
      assert.deepEqual([answer.status, answer.retryAfter], [503, '1'])
      assert.equal(answer.body.error.code, 'not-ready')
      const text = `before offset ${beyond.offset + 1} of partition ${receipt.partition} of 'clicks'`
      assert.ok(answer.body.error.message.includes(text), answer.body.error.message)
      assert.match(answer.body.error.message, /it is at \d+/)
    }
    await assert.rejects(app.query.perPage.get('p', { after: beyond, waitMs: 50 }), {
      code: 'not-ready',
      retriable: true,
    })
    // Nothing is left of who has waited.
    assert.equal(await app.query.perPage.get('p', { after: receipt }), 1)
  })

  it('is refused for what the view never has', async () => {
    await using services = await asked()
    const { app, url } = await services.start(board, quick)
    const refused: readonly [after: string, why: RegExp][] = [
      ['orders/0/1', /does not depend on stream 'orders'.*made of clicks/],
      ['profiles/0/1', /does not depend on stream 'profiles'/],
      ['clicks/4/1', /partitions 0 to 3/],
      ['clicks/0', /write <stream>\/<partition>\/<offset>/],
      ['clicks/0/-1', /write <stream>/],
      ['clicks/0/1&waitMs=60001', /waitMs is 60001: give a whole number from 0 to 60000/],
      ['clicks/0/1&waitMs=1e3', /waitMs/],
    ]
    for (const [after, why] of refused) {
      const { status, body } = await get(`${url}/perPage?key=p&after=${after}`)
      assert.equal(status, 400, after)
      assert.match(body.error.message, why)
    }
    const forgotten = { stream: 'clicks', partition: 0, offset: -1 }
    await assert.rejects(app.query.perPage.get('p', { after: forgotten }), {
      code: 'input-invalid',
      message: /a receipt with -1/,
    })
    await assert.rejects(app.query.perPage.get('p', { maxLag: -1 }), { code: 'input-invalid' })
  })
})

/** Asks again while partitions move. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = 200; ; left--) {
    try {
      return await ask()
    } catch (error) {
      const { code } = error as { code?: string }
      if (left === 0 || code !== 'not-ready') throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
