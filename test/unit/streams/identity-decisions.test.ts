/** What is decided from identities, topics and offsets, case by case; no broker is asked. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keyspace } from '../../../src/events/event.ts'
import { service } from '../../../src/service/service.ts'
import { decide } from '../../../src/streams/identity/decide.ts'
import {
  aggregatesOf,
  identityOf,
  identityText,
  readIdentities,
  sourceKey,
} from '../../../src/streams/identity/identity.ts'
import type { SourceIdentity, StoreIdentity } from '../../../src/streams/identity/identity.ts'
import { leadingTo } from '../../../src/streams/identity/prune.ts'
import type { Situation, TopicState } from '../../../src/streams/identity/situation.ts'
import { policiesDefault } from '../../../src/streams/identity/verdict.ts'
import type { Policies } from '../../../src/streams/identity/verdict.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import type { Plan } from '../../../src/streams/plan/plan.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { CustomerId, Payments, shipping } from '../../types/shop.ts'

const Number64 = keyspace.int64('Number64', { partitions: 12 })

function counting(options: { grace?: '1d' | '2d' | '3d'; version?: number } = {}): Plan {
  const { grace = '2d', version = 1 } = options
  return planTopology(
    service('shop', {
      reads: [Payments],
      writes: [],
      topology: (s) => ({
        n: s.stream(Payments).window(tumbling('5m', { grace })).count('n', { version }),
      }),
    }).build(),
  )
}

function rekeyed(by: 'text' | 'number' | 'both'): Plan {
  return planTopology(
    service('shop', {
      reads: [Payments],
      writes: [],
      topology: (s) => {
        const paid = s.stream(Payments)
        const again = by === 'both' ? paid.merge(paid.filter(() => true)) : paid
        return by === 'number'
          ? { n: again.rekey('r', Number64, () => 1n).count('n') }
          : { n: again.rekey('r', CustomerId, () => 'c').count('n') }
      },
    }).build(),
  )
}

const id = (topic: string): string => `id-of-${topic}`

/** A service that has run: every topic as it should be, ten records processed in each partition 0. */
function ran(
  plan: Plan,
  o: {
    stores?: Record<string, Partial<StoreIdentity>>
    sources?: Record<string, Partial<SourceIdentity>>
    topics?: Record<string, Partial<TopicState> | undefined>
    offsets?: Record<string, number>
    rows?: string[]
    unread?: string[]
    members?: string[]
  } = {},
): Situation {
  const topics = new Map<string, TopicState>()
  for (const { name, partitions } of plan.topics) {
    const all = Array.from({ length: partitions }, () => ({ start: 0, end: 10 }))
    topics.set(name, { id: id(name), partitions: all })
  }
  for (const [name, state] of Object.entries(o.topics ?? {})) {
    if (state === undefined) topics.delete(name)
    else topics.set(name, { ...topics.get(name)!, ...state })
  }
  const stores = new Map<string, StoreIdentity>()
  for (const [name, store] of aggregatesOf(plan)) {
    stores.set(name, { ...identityOf(plan, store, id(store.topic)), ...o.stores?.[name] })
  }
  const sources = new Map<string, SourceIdentity>()
  const offsets = new Map<string, number>()
  for (const { topic, partitions, inner } of plan.subTopologies.flatMap((part) => part.sources)) {
    const role = inner ? 'inner' : 'stream'
    sources.set(topic, { topicId: id(topic), partitions, role, ...o.sources?.[topic] })
    offsets.set(`${topic}/0`, 10)
  }
  const { progressTopic } = plan
  if (progressTopic !== undefined) {
    sources.set(progressTopic, { topicId: id(progressTopic), partitions: 12, role: 'progress' })
  }
  return {
    topics,
    stores,
    sources,
    seen: 100,
    offsets: o.offsets ? new Map(Object.entries(o.offsets)) : offsets,
    rows: new Set(o.rows),
    unread: new Set(o.unread),
    members: o.members ?? [],
  }
}

function outcomes(plan: Plan, situation: Situation, policies: Partial<Policies> = {}) {
  const { stores, sources } = decide(plan, situation, { ...policiesDefault, ...policies })
  const store = stores.find((each) => each.store === 'n')!
  return { store, sources: Object.fromEntries(sources.map((each) => [each.topic, each])) }
}

describe('the positions of an input', () => {
  const reading = (splits?: number): Plan =>
    planTopology(
      service('billing', {
        reads: [],
        writes: [Payments],
        topology: (s) => {
          const options = splits === undefined ? {} : { splits }
          s.input('bank', Payments, async function* () {}, options)
          return {}
        },
      }).build(),
    )
  const verdictOf = (before: Plan, now: Plan) => {
    const { sources } = decide(now, ran(before), policiesDefault)
    return sources.find(({ topic }) => topic === 'billing-bank-position')!
  }

  it('are those of one split where none are declared', () => {
    assert.equal(verdictOf(reading(), reading(1)).outcome, 'new')
    assert.equal(verdictOf(reading(1), reading()).outcome, 'new')
  })

  it('are refused in another number of splits, with each way out', () => {
    for (const [before, now] of [
      [1, 4],
      [4, 1],
      [3, 2],
    ] as const) {
      assert.deepEqual(verdictOf(reading(before), reading(now)), {
        topic: 'billing-bank-position',
        outcome: 'refused',
        why: `holds the positions of ${before} splits, but service 'billing' reads the input in ${now}`,
        fixes: [
          `declare \`splits: ${before}\``,
          'or give the input another name, and let its function begin where this one has ended',
          'or `headwater reset FILE billing` reads it from its beginning',
        ],
      })
    }
  })
})

describe('a store', () => {
  const cases: [string, Plan, Situation, string, RegExp][] = [
    ['is kept when nothing has changed', counting(), ran(counting()), 'kept', /the same/],
    [
      'is kept under a shorter grace',
      counting({ grace: '1d' }),
      ran(counting()),
      'kept',
      /the same/,
    ],
    [
      'is refused under a longer grace, for closed windows would open again',
      counting({ grace: '3d' }),
      ran(counting()),
      'refused',
      /its grace was 172800000 ms and is 259200000 ms/,
    ],
    [
      'is refused under another version',
      counting({ version: 2 }),
      ran(counting()),
      'refused',
      /its version was 1 and is 2/,
    ],
    [
      'is refused with keys of another type',
      rekeyed('number'),
      ran(rekeyed('text')),
      'refused',
      /its keys' type was string and is int64/,
    ],
    [
      'is refused in another value format',
      counting(),
      ran(counting(), { stores: { n: { format: 'message' } } }),
      'refused',
      /its value format was message and is plain/,
    ],
    [
      'is refused with another number of partitions',
      counting(),
      ran(counting(), { stores: { n: { partitions: 6 } } }),
      'refused',
      /its partition count was 6 and is 12/,
    ],
    [
      'begins new when it has neither rows nor offsets, whatever it was',
      counting(),
      ran(counting(), {
        stores: { n: { window: null, version: 7 } },
        offsets: {},
      }),
      'new',
      /begins empty/,
    ],
    [
      'is refused when it has rows and no offsets',
      counting(),
      ran(counting(), { offsets: {}, rows: ['shop-n-changelog/0'] }),
      'refused',
      /no offsets for 'payments'/,
    ],
    [
      'is refused when one partition has rows and no offset',
      counting(),
      ran(counting(), { offsets: { 'payments/1': 3 }, rows: ['shop-n-changelog/0'] }),
      'refused',
      /no offsets for 'payments'/,
    ],
    [
      'is refused when its changelog is gone',
      counting(),
      ran(counting(), { topics: { 'shop-n-changelog': undefined } }),
      'refused',
      /changelog 'shop-n-changelog' is gone/,
    ],
    [
      'is refused when its changelog was made anew',
      counting(),
      ran(counting(), { topics: { 'shop-n-changelog': { id: 'other' } } }),
      'refused',
      /was deleted and made anew/,
    ],
    [
      'is kept on a broker that knows no topic ids',
      counting(),
      ran(counting(), { topics: { 'shop-n-changelog': { id: undefined } } }),
      'kept',
      /the same/,
    ],
    [
      'is refused while its rebuild has not ended',
      counting(),
      ran(counting(), { stores: { n: { state: 'rebuilding' } } }),
      'refused',
      /did not end/,
    ],
    [
      'is refused once a version without it has gone on',
      counting(),
      ran(counting(), { stores: { n: { state: 'left' } } }),
      'refused',
      /has missed records/,
    ],
    [
      'is refused when what it read is no longer read',
      counting(),
      ran(counting(), { stores: { n: { reads: ['orders', 'payments'] } } }),
      'refused',
      /what it reads was 'orders' and 'payments' and is 'payments'/,
    ],
  ]
  for (const [what, plan, situation, outcome, why] of cases) {
    it(what, () => {
      const { store } = outcomes(plan, situation)
      assert.match(store.why, why)
      assert.equal(store.outcome, outcome)
      assert.equal(store.fixes.length > 0, outcome === 'refused')
    })
  }

  it('is taken as it is where no identity was ever kept, and refused where others have one', () => {
    const plan = counting()
    const before = { ...ran(plan), stores: new Map(), sources: new Map() }
    assert.equal(outcomes(plan, before).store.outcome, 'kept')
    const later = { ...ran(plan), stores: new Map() }
    assert.match(outcomes(plan, later).store.why, /is new, but the service has read 'payments'/)
  })

  it('behind a rekey is missing what was rekeyed before it was there', () => {
    const plan = rekeyed('text')
    const situation = { ...ran(plan, { offsets: { 'payments/0': 10 } }), stores: new Map() }
    assert.match(outcomes(plan, situation).store.why, /has read 'payments'/)
  })

  it('may read one more stream from its beginning', () => {
    const plan = rekeyed('text')
    const known = { n: { behind: [] } }
    const unread = ran(plan, { stores: known, offsets: { 'shop-r-repartition/0': 10 } })
    assert.equal(outcomes(plan, unread).store.outcome, 'kept')
    assert.equal(outcomes(plan, ran(plan, { stores: known })).store.outcome, 'refused')
  })

  it('with at least once may have rows before the first offset', () => {
    const plan = counting()
    const situation = ran(plan, { offsets: {}, rows: ['shop-n-changelog/0'] })
    const { store } = outcomes(plan, situation, { guarantee: 'at-least-once' })
    assert.notEqual(store.outcome, 'refused')
  })

  it('of another version is left alone, and marked once this one reads its topics', () => {
    const plan = counting()
    const other = identityOf(plan, aggregatesOf(plan).get('n')!, 'x')
    const situation = ran(plan)
    const stores = new Map(situation.stores)
      .set('elsewhere', { ...other, reads: ['orders'] })
      .set('here', other)
    const { changes } = decide(plan, { ...situation, stores }, policiesDefault)
    assert.deepEqual(
      changes.map(({ key, identity }) => [key, (identity as StoreIdentity).state]),
      [['here', 'left']],
    )
  })
})

describe('a topic that is read', () => {
  const grown = Array.from({ length: 13 }, () => ({ start: 0, end: 1 }))

  it('is refused when it was made anew, or restarted where that is the policy', () => {
    const plan = counting()
    const situation = ran(plan, { topics: { payments: { id: 'other' } } })
    assert.equal(outcomes(plan, situation).sources['payments']!.outcome, 'refused')
    const restarting = outcomes(plan, situation, { onTopicReplaced: 'restart' })
    assert.equal(restarting.sources['payments']!.outcome, 'restarted')
    assert.equal(restarting.store.outcome, 'kept')
  })

  it('is refused whatever the policy when it is an inner one', () => {
    const plan = rekeyed('text')
    const situation = ran(plan, { topics: { 'shop-r-repartition': { id: 'other' } } })
    const { sources } = outcomes(plan, situation, { onTopicReplaced: 'restart' })
    const { outcome, why } = sources['shop-r-repartition']!
    assert.equal(outcome, 'refused')
    assert.match(why, /on its way in it is lost/)
  })

  it('is refused with more partitions when state goes by its keys', () => {
    const plan = counting()
    const { payments } = outcomes(
      plan,
      ran(plan, { topics: { payments: { partitions: grown } } }),
    ).sources
    assert.match(payments!.why, /had 12 partitions and has 13: a key's records lie in two/)
    assert.match(payments!.fixes.join(), /rekey/)
  })

  it('is refused with other partitions than declared, with what can be done', () => {
    const plan = rekeyed('text')
    const { sources } = outcomes(
      plan,
      ran(plan, {
        topics: { payments: { partitions: grown }, 'shop-n-changelog': { partitions: grown } },
      }),
    )
    assert.match(sources['payments']!.why, /has 13 partitions, but service 'shop' declares 12/)
    assert.match(sources['shop-n-changelog']!.fixes.join(), /headwater reset FILE shop/)
  })

  it('may not vanish with a rename while it holds what nobody has processed', () => {
    const before = ran(rekeyed('text'))
    const after = counting()
    const look = (more: Partial<Situation>) =>
      outcomes(after, { ...before, ...more }).sources['shop-r-repartition']!
    assert.equal(look({}).outcome, 'dropped')
    assert.match(look({ unread: new Set(['shop-r-repartition/3']) }).why, /nobody has processed/)
    assert.match(look({ members: ['shop-1'] }).why, /still running/)
  })
})

describe('a service of which nothing is left', () => {
  const none = Array.from({ length: 12 }, () => ({ start: 0, end: 0 }))
  const plan = rekeyed('text')

  it('begins anew, whatever its identities say', () => {
    const gone = {
      'shop-n-changelog': { id: 'another', partitions: none },
      'shop-r-repartition': { id: 'another', partitions: none },
      [Payments.name]: { id: 'another' },
    }
    const { stores, sources, changes } = decide(
      plan,
      ran(plan, { topics: gone, offsets: {} }),
      policiesDefault,
    )
    assert.deepEqual(
      [...stores, ...sources].filter(({ outcome }) => outcome === 'refused'),
      [],
    )
    assert.ok(changes.some(({ key }) => key === sourceKey('shop-r-repartition')))
  })

  it('is refused while a row, an offset or a record on its way is left', () => {
    const topics = { 'shop-r-repartition': { id: 'another' } }
    const left = [
      { topics, offsets: {}, rows: ['shop-n-changelog/0'] },
      { topics, offsets: { [`${Payments.name}/0`]: 10 } },
    ]
    for (const each of left) {
      const { stores, sources } = decide(plan, ran(plan, each), policiesDefault)
      assert.ok([...stores, ...sources].some(({ outcome }) => outcome === 'refused'))
    }
  })
})

describe('the identity topic', () => {
  const plan = counting()
  const identity = identityOf(plan, aggregatesOf(plan).get('n')!, 'c')
  const record = (offset: number, seen: number, version: number) => {
    const value = identityText({ key: 'n', identity: { ...identity, version } }, seen)
    return { offset, key: 'n', value }
  }
  const versionOf = (...records: ReturnType<typeof record>[]) =>
    readIdentities('t', records, 9).stores.get('n')?.version

  it('holds what was written last by somebody who had read it', () => {
    assert.equal(versionOf(record(0, 0, 1), record(1, 1, 2)), 2)
  })

  it('gives it to the first of two that write at once', () => {
    assert.equal(versionOf(record(0, 0, 1), record(1, 0, 2)), 1)
    assert.equal(versionOf(record(0, 0, 1), record(1, 0, 2), record(2, 2, 1)), 1)
  })

  it('keeps stores and topics apart, and forgets what was taken away', () => {
    const source: SourceIdentity = { topicId: 'x', partitions: 3, role: 'stream' }
    const key = sourceKey('n')
    const value = identityText({ key, identity: source }, 0)
    const kept = readIdentities('t', [record(0, 0, 1), { offset: 1, key, value }], 2)
    assert.deepEqual([...kept.sources], [['n', source]])
    assert.deepEqual(kept.stores.get('n'), identity)
    const gone = { offset: 2, key, value: null }
    assert.equal(readIdentities('t', [{ offset: 1, key, value }, gone], 3).sources.size, 0)
  })

  it('refuses what this version cannot read', () => {
    const bad: [string, RegExp][] = [
      ['{', /no JSON/],
      ['null', /no object/],
      ['{"v":2}', /has version 2.*run the version that wrote it/],
      ['{"v":1,"fold":"count"}', /has no version/],
    ]
    for (const [value, why] of bad) {
      assert.throws(() => readIdentities('shop-stores', [{ offset: 0, key: 'n', value }], 1), why)
    }
  })
})

describe('the part of a topology that leads to a store', () => {
  it('holds what comes to it, through joins and rekeys, and nothing that leaves', () => {
    const topology = shipping.build()
    const store = topology.nodes.find(({ kind }) => kind === 'aggregate')!
    const { nodes, views } = leadingTo(topology, store.id)
    assert.deepEqual(nodes.map(({ kind }) => kind).toSorted(), [
      'aggregate',
      'filter',
      'join',
      'rekey',
      'source',
      'table',
    ])
    assert.deepEqual(Object.keys(views), ['orders', 'perCustomer'])
    assert.ok(nodes.every((node, at) => node.id === at))
    assert.deepEqual(
      planTopology({ service: 'shipping', nodes, views }).subTopologies.map((part) => part.id),
      ['orders+payments', 'shipping-by-customer-repartition'],
    )
  })

  it('keeps both sides of a merge', () => {
    const { topology } = rekeyed('both')
    const { nodes } = leadingTo(topology, topology.views['n']!)
    assert.equal(nodes.length, topology.nodes.length)
  })
})

describe('what a store reads', () => {
  it('are the topics of its task and those behind rekeys, not the tables it is joined with', () => {
    const plan = planTopology(shipping.build())
    const store = aggregatesOf(plan).get('payments-5m')!
    const { reads, behind } = identityOf(plan, store, '')
    assert.deepEqual([reads, behind], [['shipping-by-customer-repartition'], ['payments']])
  })
})
