import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { connect } from '../../../src/query/client.ts'
import { service } from '../../../src/service/service.ts'
import { runCommand } from '../../airline/command.ts'
import { asked, Clicks, web } from './asked.ts'
import { get, isWhole, until } from './group-of-instances.ts'
import type { Answer } from './group-of-instances.ts'

const board = service('board', {
  reads: [Clicks],
  writes: [],
  topology: (s) => ({ perPage: s.stream(Clicks).count('per-page') }),
})
const pages = Array.from({ length: 40 }, (_, n) => `p${n}`)
const quick = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 }

describe('a service in two instances', () => {
  it('has an answer for every key at one of them, and at the other the reason why there is none', async () => {
    await using services = await asked()
    const written = await services.start(web(pages.map((page) => ({ page }))))
    await written.app.caughtUp()
    const a = await services.start(board, { instanceId: 'a', ...quick })
    const b = await services.start(board, { instanceId: 'b', ...quick })
    await until(() => isWhole([a.app, b.app], 4))

    const found = { a: 0, b: 0 }
    for (const page of pages) {
      const answers = await Promise.all([ask(a.url, page), ask(b.url, page)])
      assert.deepEqual(inOrder(answers.map(({ status }) => status)), [200, 421], page)
      found[answers[0].status === 200 ? 'a' : 'b']++
      const { body } = answers.find(({ status }) => status === 421)!
      assert.equal(body.error.code, 'partition-elsewhere')
      assert.match(body.error.message, /lies in partition \d of 4, which another instance/)
    }
    assert.ok(found.a > 0 && found.b > 0, JSON.stringify(found))

    const lists = await Promise.all([a.url, b.url].map((url) => get(`${url}/perPage?limit=1000`)))
    const covered = lists.flatMap(({ body }) => body.partitions.covered as number[])
    assert.deepEqual(inOrder(covered), [0, 1, 2, 3])
    const keys: string[] = lists.flatMap(({ body }) => {
      return body.entries.map(({ key }: { key: string }) => key)
    })
    assert.deepEqual(keys.toSorted(), pages.toSorted())

    const elsewhere = { code: 'partition-elsewhere', retriable: true }
    for (const views of [connect<typeof board>(a.url), a.app.query]) {
      const whole = Array.fromAsync(views.perPage.scan())
      if (views === a.app.query) assert.equal((await whole).length, found.a)
      else {
        await assert.rejects(whole, {
          ...elsewhere,
          message: /answers for 2 of the 4 partitions of view 'perPage'/,
        })
      }
      const part = await Array.fromAsync(views.perPage.scan({ partial: true }))
      assert.equal(part.length, found.a)
      let here = 0
      for (const page of pages) {
        const value = await views.perPage.get(page).catch((error: unknown) => {
          assert.ok(isHeadwaterError(error, 'partition-elsewhere'), String(error))
          return 0
        })
        here += value!
      }
      assert.equal(here, found.a)
    }

    const listed = await runCommand(['get', 'board', 'perPage', '--all', '--url', a.origin])
    assert.equal(listed.code, 0)
    assert.equal(listed.stdout.trimEnd().split('\n').length, found.a)
    assert.match(listed.stderr, /holds 2 of the 4 partitions/)
  })

  it('never says that there is nothing while partitions move, and says when to ask again', async () => {
    await using services = await asked()
    const written = await services.start(web(pages.map((page) => ({ page }))))
    await written.app.caughtUp()
    const a = await services.start(board, { instanceId: 'a', ...quick })
    await a.app.caughtUp()
    const seen = new Map<number, number>()
    let isOver = false
    const asking = (async () => {
      for (let n = 0; !isOver; n = (n + 1) % pages.length) {
        const { status, retryAfter, body } = await ask(a.url, pages[n]!)
        seen.set(status, (seen.get(status) ?? 0) + 1)
        if (status === 200) assert.equal(body, 1)
        if (status === 503) assert.deepEqual([body.error.code, retryAfter], ['not-ready', '1'])
        await delay(1)
      }
    })()
    const b = await services.start(board, { instanceId: 'b', ...quick })
    await until(() => isWhole([a.app, b.app], 4))
    await delay(50)
    await b.app.close()
    await until(() => isWhole([a.app], 4))
    isOver = true
    await asking
    assert.deepEqual(inOrder([...seen.keys()]), [200, 421, 503])
    for (const page of pages) assert.equal((await ask(a.url, page)).status, 200)
    const closed = await b.app.query.perPage.get('p1').catch((error: unknown) => error)
    assert.ok(isHeadwaterError(closed, 'service-closed'), String(closed))
  })
})

describe('an instance that the group lets go', () => {
  it('does not answer from the moment it hears so', async () => {
    await using services = await asked()
    const written = await services.start(web(pages.map((page) => ({ page }))))
    await written.app.caughtUp()
    const heard: unknown[] = []
    const a = await services.start(board, {
      ...quick,
      onEvent: ({ type }) => {
        if (type !== 'lost') return
        // Nothing else has run since the coordinator said it.
        const { perPage } = a.app.services[0]!.views
        heard.push(a.app.services[0]!.stats().state)
        try {
          heard.push(perPage!.get('p1'))
        } catch (error) {
          heard.push(isHeadwaterError(error) ? error.code : error)
        }
      },
    })
    await a.app.caughtUp()
    assert.equal(await a.app.query.perPage.get('p1'), 1)
    await using cluster = await Cluster.connect({
      ...services.broker,
      clock: nodeClock,
      random: nodeRandom,
    })
    const { memberId } = a.app.stats().assignment!
    await cluster.request(
      'LeaveGroup',
      { groupId: 'board', members: [{ memberId }] },
      { coordinator: 'group', id: 'board' },
    )
    await until(() => heard.length > 0)
    assert.deepEqual(heard, ['running', 'not-ready'])
    // Then it joins again, and has all of it as before.
    for (const from = performance.now(); ; await delay(5)) {
      const answer = await a.app.query.perPage.get('p1').catch((error: unknown) => error)
      if (answer === 1) break
      assert.ok(isHeadwaterError(answer, 'not-ready'), String(answer))
      assert.ok(performance.now() - from < 30_000, 'it did not come to be')
    }
  })
})

function inOrder(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b)
}

function ask(url: string, page: string): Promise<Answer> {
  return get(`${url}/perPage?key=${page}`)
}
