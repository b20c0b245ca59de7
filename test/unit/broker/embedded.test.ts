/** A broker and services in one process, as the main door offers them, on a real directory. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { embedded, keyspace, run, service } from '../../../src/index.ts'
import { Visits } from '../../types/shop.ts'

const Path = keyspace.string('Path', { partitions: 2 })

/** Brings in `visits` visits of three pages, one batch each. */
const web = (visits: number) =>
  service('web', {
    reads: [],
    writes: [Visits],
    topology: (s) => {
      s.input('access-log', Visits, async function* (from: number = 0) {
        for (let n = from; n < visits; n++) {
          yield { events: [{ path: `/${n % 3}` }], position: n + 1 }
        }
      })
      return {}
    },
  })

const audit = service('audit', {
  reads: [Visits],
  writes: [],
  topology: (s) => ({
    paths: s
      .stream(Visits)
      .rekey('by-path', Path, (visit) => visit.path)
      .count('paths'),
  }),
})

describe('an embedded broker', () => {
  let directory = ''
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-embedded-'))
  })
  after(() => rm(directory, { recursive: true }))

  async function count(visits: number): Promise<(number | undefined)[]> {
    await using broker = await embedded(directory)
    await using app = await run([web(visits), audit], { broker })
    await app.caughtUp()
    const { paths } = app.query.audit
    return Promise.all(['/0', '/1', '/2', '/3'].map((path) => paths.get(path)))
  }

  test('runs services that are given it', async () => {
    assert.deepEqual(await count(100), [34, 33, 33, undefined])
  })

  test('opened again, goes on where it was and counts nothing twice', async () => {
    assert.deepEqual(await count(150), [50, 50, 50, undefined])
  })

  test('is refused to a second opener while it is open', async () => {
    await using _broker = await embedded(directory)
    await assert.rejects(embedded(directory), { code: 'data-dir-locked' })
  })
})
