/** The statements that write rows, where reading goes on, whether a table fits, and what failures mean. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { zeroUuid } from '../../../src/base/units.ts'
import { DiscardCounts } from '../../../src/postgres/discard-counts.ts'
import { problemsOf } from '../../../src/postgres/fit.ts'
import type { FoundColumn } from '../../../src/postgres/fit.ts'
import { table } from '../../../src/postgres/sink.ts'
import { sqlFailure } from '../../../src/postgres/sql-failure.ts'
import { startsOf } from '../../../src/postgres/starts.ts'
import type { StartPolicy } from '../../../src/postgres/starts.ts'
import { statementsOf } from '../../../src/postgres/statements.ts'
import type { WrittenTable } from '../../../src/postgres/statements.ts'
import type { Discard } from '../../../src/streams/operators/discards.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { Orders, Visits } from '../../types/shop.ts'

const orders = table('orders', { from: Orders, columns: { id: 'orderId', total: 'total' } })
const visits = table('visits', { from: Visits })
const tables: readonly WrittenTable[] = [
  { table: orders, sqlTypes: ['character varying', 'integer'] },
  { table: visits, sqlTypes: ['text'] },
  { table: table('ids', { from: Orders, columns: { id: 'orderId' } }), sqlTypes: ['text'] },
]

describe('the statements of a chunk', () => {
  it('write each key once, as its last change leaves it, and each fact', () => {
    const upsert = (key: string, total: string) => ({ table: 0, key, row: [key, total] })
    const statements = statementsOf(tables, [
      upsert('a', '1'),
      { table: 1, key: null, row: ['/'] },
      { table: 0, key: 'b', row: null },
      upsert('a', '2'),
      upsert('c', '3'),
      { table: 0, key: 'c', row: null },
      { table: 1, key: null, row: ['/'] },
    ])
    assert.deepEqual(statements, [
      {
        text: 'DELETE FROM "orders" WHERE "id" = ANY ($1::character varying[])',
        values: [['b', 'c']],
      },
      {
        text:
          'INSERT INTO "orders" ("id", "total") SELECT * FROM unnest($1::character varying[], $2::integer[])' +
          ' ON CONFLICT ("id") DO UPDATE SET "total" = excluded."total"',
        values: [['a'], ['2']],
      },
      {
        text: 'INSERT INTO "visits" ("path") SELECT * FROM unnest($1::text[])',
        values: [['/', '/']],
      },
    ])
  })

  it('leave a row alone that is nothing but its key', () => {
    const [statement] = statementsOf(tables, [{ table: 2, key: 'a', row: ['a'] }])
    assert.match(statement!.text, /ON CONFLICT \("id"\) DO NOTHING$/)
  })
})

describe('a table that is there', () => {
  const id = column('id', 'text')
  const total = column('total', 'int8')
  const uniques = [['id']]

  it('fits with other types that hold the values, and columns that need none of ours', () => {
    const others = [
      { ...column('extra', 'text'), isRequired: false },
      { ...column('made', 'text'), isGenerated: true },
      { ...column('late', 'timestamptz'), hasDefault: true },
    ]
    const found = { columns: [id, total, ...others], uniques, denied: ['TRUNCATE'] }
    assert.deepEqual(problemsOf(orders, found), [])
    assert.deepEqual(
      problemsOf(visits, { columns: [column('path', 'text')], uniques: [], denied: ['DELETE'] }),
      [],
    )
  })

  it('is told what does not fit, each with what mends it', () => {
    const found = {
      columns: [{ ...id, isGenerated: true }, column('total', 'int2'), column('must', 'text')],
      uniques: [['id', 'total']],
      denied: ['DELETE'],
    }
    assert.deepEqual(problemsOf(orders, found), [
      "column 'id' of table 'orders' is generated and takes no value: leave it out of the sink",
      "column 'total' of table 'orders' is int2, where the sink writes integer: make it int4 or int8 or " +
        'numeric, or give the column a function of another type',
      "column 'must' of table 'orders' is NOT NULL without a default, and the sink writes none: ALTER TABLE " +
        '"orders" ALTER COLUMN "must" DROP NOT NULL, or give the sink that column',
      `table 'orders' has no unique index on its key: ALTER TABLE "orders" ADD PRIMARY KEY ("id")`,
      `this user may not DELETE on table 'orders': GRANT DELETE ON "orders" TO it`,
    ])
    assert.match(
      problemsOf(orders, { ...found, columns: [id] })[0]!,
      /no column 'total': ALTER TABLE/,
    )
    assert.match(
      problemsOf(orders, undefined)[0]!,
      /run with create: true, or execute\nCREATE TABLE/,
    )
  })
})

describe('where a sink begins', () => {
  const stop: StartPolicy = { onGap: 'stop', onTopicReplaced: 'stop' }
  const go: StartPolicy = { onGap: 'skip', onTopicReplaced: 'restart' }
  const start = (policy: StartPolicy, o: { at?: number; known?: string; now?: string }) => {
    const { at = 7, known = 'A', now = 'A' } = o
    const place = { topic: 't', partition: 0 }
    const found = { ...place, topicId: now, beginning: 5, end: 9 }
    const positions = new Map([['t/0', { topicId: known, nextOffset: at, epoch: '1' }]])
    const [{ offset, skipped, isReset }] = startsOf('s', [found], positions, policy) as [
      ReturnType<typeof startsOf>[number],
    ]
    return [offset, skipped, isReset]
  }

  it('is its position while the log has it', () => {
    for (const at of [5, 7, 9]) assert.deepEqual(start(stop, { at }), [at, 0, false])
  })

  it('is the beginning of the log when that is behind its position, if it may be', () => {
    assert.throws(() => start(stop, { at: 2 }), { code: 'records-lost', message: /records 2 to 4/ })
    assert.deepEqual(start(go, { at: 2 }), [5, 3, true])
  })

  it('is nowhere when the log ends before it', () => {
    for (const policy of [stop, go]) {
      assert.throws(() => start(policy, { at: 10 }), { code: 'offset-out-of-range' })
    }
  })

  it('is the beginning of a topic that was made anew, if it may be', () => {
    assert.throws(() => start(stop, { now: 'B' }), {
      code: 'topic-replaced',
      message: /id A, and this one has id B/,
    })
    assert.deepEqual(start(go, { now: 'B', at: 100 }), [5, 0, true])
  })

  it('takes an id that is told for the first time as it is', () => {
    assert.deepEqual(start(stop, { known: zeroUuid }), [7, 0, true])
    assert.deepEqual(start(stop, { now: zeroUuid }), [7, 0, true])
  })
})

describe('a failure of the database', () => {
  const kinds = [
    ['57P01', 'away'],
    ['53300', 'away'],
    ['25006', 'away'],
    ['25P03', 'away'],
    ['28P01', 'refused'],
    ['3D000', 'refused'],
    ['40P01', 'again'],
    ['55P03', 'again'],
    ['57014', 'slow'],
    ['22001', 'row'],
    ['23505', 'row'],
    ['54000', 'row'],
    ['P0001', 'row'],
    ['P0004', 'row'],
    ['21000', 'row'],
    ['44000', 'row'],
    ['42P01', 'stop'],
    ['XX000', 'stop'],
    ['ECONNREFUSED', 'away'],
    [undefined, 'away'],
  ] as const
  for (const [code, kind] of kinds) {
    it(`by ${code} means ${kind}`, () => {
      const failure = sqlFailure(Object.assign(new Error('why'), { code }))
      assert.equal(failure.kind, kind)
      assert.equal(failure.error.retriable, ['away', 'again', 'slow'].includes(kind))
      assert.match(failure.message, /^PostgreSQL .*: why/)
    })
  }
})

describe('what a sink discards', () => {
  it('is told once a second of each kind, with the first of them', () => {
    let now = 0
    const told: Discard[] = []
    const clock = { ...nodeClock, monotonic: () => now }
    const discards = new DiscardCounts(clock, (discard) => void told.push(discard))
    const add = (offset: number, operator = 'a'): void => {
      const place = { topic: 't', partition: 0, offset }
      discards.add({ ...place, reason: 'skipped', operator, records: 1, error: undefined })
      discards.consider()
    }
    for (const offset of [1, 2, 3]) add(offset)
    assert.deepEqual(
      told.map(({ offset, records }) => [offset, records]),
      [[1, 1]],
    )
    now = 1_000
    add(4)
    add(5, 'b')
    assert.deepEqual(
      told.map(({ offset, records }) => [offset, records]),
      [
        [1, 1],
        [2, 3],
      ],
    )
    discards.tell()
    assert.deepEqual(told.at(-1)!.operator, 'b')
  })
})

function column(name: string, type: string): FoundColumn {
  return { name, type, sqlType: type, isRequired: true, hasDefault: false, isGenerated: false }
}
