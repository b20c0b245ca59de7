/** Topologies as graphs: what each operator adds, and what only the whole graph can refuse. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AnyEvent } from '../../../src/events/event.ts'
import { buildTopology } from '../../../src/streams/topology/build.ts'
import type { Builder, Queries } from '../../../src/streams/topology/builder.ts'
import type { TopologyNode } from '../../../src/streams/topology/topology.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import {
  CustomerId,
  CustomerWindows,
  Orders,
  Payments,
  Shipments,
  Visits,
  shipping,
} from '../../types/shop.ts'
import { OrderSchema } from '../../gen/shop/v1/shop_pb.ts'

const everything = [Orders, Payments, Shipments, Visits, CustomerWindows] as const
type Name = (typeof everything)[number]['name']
type Any = Builder<Name, Name>

/** Builds with only those streams declared that `reads` and `writes` name. */
function build(reads: readonly AnyEvent[], writes: readonly AnyEvent[], make: (s: Any) => Queries) {
  return buildTopology({ service: 'shipping', reads, writes }, make as never)
}

/** A node without its functions, which no test can compare. */
/** All of them stop at an error, as none says otherwise. */
function stopping(nodes: readonly object[]): object[] {
  return nodes.map((node) => ({ ...node, onError: 'stop' }))
}

function plain(node: TopologyNode): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(node).flatMap(([name, value]: [string, unknown]) => {
      if (typeof value === 'function' || value === undefined) return []
      if (name === 'event') return [[name, (value as AnyEvent).name]]
      if (name === 'keyspace') return [[name, (value as { name: string }).name]]
      if (name === 'schema') return [[name, (value as { typeName: string }).typeName]]
      return [[name, value]]
    }),
  )
}

describe('a topology', () => {
  test('is a frozen graph in which every node comes after those it reads from', () => {
    const topology = shipping.build()
    assert.equal(topology.service, 'shipping')
    assert.deepEqual(
      topology.nodes.map(plain),
      stopping([
        { id: 0, kind: 'table', event: 'orders', store: 'orders', startup: 'bootstrap' },
        { id: 1, kind: 'source', event: 'payments' },
        { id: 2, kind: 'filter', from: 1 },
        { id: 3, kind: 'join', from: 2, table: 0, left: false },
        { id: 4, kind: 'to', from: 3, event: 'shipments' },
        { id: 5, kind: 'rekey', from: 3, name: 'by-customer', keyspace: 'CustomerId' },
        {
          id: 6,
          kind: 'aggregate',
          from: 5,
          name: 'payments-5m',
          fold: 'count',
          version: 1,
          keyspace: 'CustomerId',
          window: {
            kind: 'tumbling',
            sizeMs: 300_000,
            graceMs: 60_000,
            retentionMs: 30 * 86_400_000,
          },
        },
        { id: 7, kind: 'to', from: 6, event: 'customer-windows' },
      ]),
    )
    assert.deepEqual(topology.views, { orders: 0, perCustomer: 6 })
    for (const part of [topology, topology.nodes, topology.views, ...topology.nodes]) {
      assert.ok(Object.isFrozen(part))
    }
  })

  test('is the same graph each time it is built', () => {
    assert.deepEqual(shipping.build().nodes.map(plain), shipping.build().nodes.map(plain))
  })

  test('reads a stream once, however often it is asked for', () => {
    const { nodes } = build([Orders], [Shipments, Visits], (s) => {
      s.stream(Orders).to(Shipments, ({ orderId, address, total }) => ({
        orderId,
        address,
        amount: total,
      }))
      s.stream(Orders).to(Visits, (order) => ({ path: order.address }))
      return {}
    })
    assert.deepEqual(
      nodes.map((node) => node.kind),
      ['source', 'to', 'to'],
    )
  })

  test('knows the schema of what is rekeyed as long as values are whole messages', () => {
    const { nodes } = build([Orders], [], (s) => {
      const kept = s
        .stream(Orders)
        .filter((order) => order.total > 0)
        .merge(s.stream(Orders))
      const lost = kept.map((order) => ({ id: order.customerId }))
      return {
        kept: kept.rekey('kept', CustomerId, (order) => order.customerId).count('kept-count'),
        lost: lost.rekey('lost', CustomerId, (value) => value.id).count('lost-count'),
      }
    })
    const rekeys = nodes.filter((node) => node.kind === 'rekey')
    assert.deepEqual(
      rekeys.map((node) => node.schema),
      [OrderSchema, undefined],
    )
  })

  test('keeps an input with its name, event and reader', () => {
    const read = async function* () {
      yield { events: [{ path: '/' }], position: 1 }
    }
    const { nodes } = build([], [Visits], (s) => {
      s.input('access-log', Visits, read)
      return {}
    })
    const input = { id: 0, kind: 'input', name: 'access-log', event: Visits, splits: 1, read }
    assert.deepEqual(nodes, [input])
  })

  test('takes 1 to 1,000 splits of an input, and no other number', () => {
    const read = async function* () {}
    const splitBy = (splits: number) =>
      build([], [Visits], (s) => {
        s.input('access-log', Visits, read, { splits })
        return {}
      })
    for (const splits of [1, 1_000]) {
      assert.equal((splitBy(splits).nodes[0] as { splits?: number }).splits, splits)
    }
    for (const splits of [0, -1, 1.5, NaN, 1_001]) {
      assert.throws(() => splitBy(splits), {
        code: 'topology-invalid',
        message: `service 'shipping': the input 'access-log' has splits ${splits}: use a whole number from 1 to 1000`,
      })
    }
  })

  test('hands user functions on as they are', () => {
    const isLarge = (order: { total: number }) => order.total > 10
    const { nodes } = build([Orders], [Shipments], (s) => {
      s.stream(Orders)
        .filter(isLarge)
        .to(Shipments, ({ orderId, address, total }) => ({ orderId, address, amount: total }))
      return {}
    })
    assert.equal((nodes[1] as { f?: unknown }).f, isLarge)
  })

  test('counts with a fold that starts at zero', () => {
    const { nodes } = build([Payments], [], (s) => ({ n: s.stream(Payments).count('n') }))
    const node = nodes[1]!
    assert.ok(node.kind === 'aggregate')
    assert.equal(node.f(node.f(node.init('k'), {}, 'k'), {}, 'k'), 2)
    assert.equal(node.window, undefined)
  })
})

const day = tumbling('1d', { grace: '0ms' })
const toShipment = (): { orderId: string } => ({ orderId: '' })
/** Untyped, to get past what the compiler refuses already. */
type Loose = {
  stream(event: unknown): LooseStream
  table(event: unknown, options?: unknown): LooseTable
  input(name: string, event: unknown, read: unknown): void
}
type LooseStream = {
  [M in 'filter' | 'map' | 'merge' | 'rekey' | 'join' | 'window']: (
    ...args: unknown[]
  ) => LooseStream
} & { count(name: string): LooseTable; to(...args: unknown[]): void }
type LooseTable = { to(...args: unknown[]): void }

describe('a topology is refused', () => {
  const refused: readonly (readonly [
    what: string,
    reads: readonly AnyEvent[],
    writes: readonly AnyEvent[],
    make: (s: Loose) => unknown,
    why: RegExp,
  ])[] = [
    [
      'when it reads what it did not declare',
      [],
      [],
      (s) => s.stream(Orders),
      /service 'shipping': it reads stream 'orders' without saying so: add it to reads/,
    ],
    [
      'when it writes what it did not declare',
      [Orders],
      [],
      (s) => s.stream(Orders).to(Shipments, toShipment),
      /it writes stream 'shipments' without saying so: add it to writes/,
    ],
    [
      'when it brings in what it did not declare',
      [],
      [],
      (s) => s.input('file', Visits, async function* () {}),
      /it writes stream 'visits' without saying so/,
    ],
    [
      'when it declares a stream it never reads',
      [Orders, Payments],
      [],
      (s) => ({ orders: s.table(Orders) }),
      /reads names stream 'payments', but the topology never reads it: remove it/,
    ],
    [
      'when it makes a table of a keyed stream',
      [Payments],
      [],
      (s) => ({ payments: s.table(Payments) }),
      /'payments' is keyed: only an entity stream can be a table/,
    ],
    [
      'when it makes a table twice',
      [Orders],
      [],
      (s) => ({ a: s.table(Orders), b: s.table(Orders) }),
      /'orders' is made a table twice: keep the first and use it again/,
    ],
    [
      'when a name is used twice',
      [Payments],
      [],
      (s) => ({ a: s.stream(Payments).count('n'), b: s.stream(Payments).count('n') }),
      /the name 'n' is used by a table and a table: rename one of them/,
    ],
    [
      'when a rekey takes the name of a table',
      [Orders, Payments],
      [],
      (s) => ({
        a: s.table(Orders),
        b: s
          .stream(Payments)
          .rekey('orders', CustomerId, () => '')
          .count('n'),
      }),
      /the name 'orders' is used by a table and a rekey/,
    ],
    [
      'when a name cannot be part of a topic name',
      [Payments],
      [],
      (s) => ({ a: s.stream(Payments).count('per day') }),
      /the table is called 'per day', which topics cannot carry: use up to 100 letters/,
    ],
    [
      'when a stream goes nowhere',
      [Payments],
      [],
      (s) => {
        s.stream(Payments)
        return {}
      },
      /the stream 'payments' goes nowhere: write it with to, join it, or return it/,
    ],
    [
      'when the end of a chain goes nowhere',
      [Payments],
      [],
      (s) => {
        s.stream(Payments).map(() => 1)
        return {}
      },
      /the result of a map goes nowhere/,
    ],
    [
      'when nobody can see a table',
      [Payments],
      [],
      (s) => {
        s.stream(Payments).count('n')
        return {}
      },
      /the table 'n' goes nowhere/,
    ],
    [
      'when a join crosses keyspaces',
      [Orders, Payments],
      [],
      (s) =>
        s
          .stream(Payments)
          .rekey('by-customer', CustomerId, () => '')
          .join(s.table(Orders), () => 1),
      /it joins values keyed by keyspace 'CustomerId' with a table keyed by keyspace 'OrderId'/,
    ],
    [
      'when a stream joins a windowed table',
      [Payments],
      [],
      (s) => s.stream(Payments).join(s.stream(Payments).window(day).count('n'), () => 1),
      /it joins a windowed table, which has no one value per key/,
    ],
    [
      'when a merge crosses keyspaces',
      [Orders, Visits],
      [],
      (s) => s.stream(Orders).merge(s.stream(Visits)),
      /it merges values keyed by keyspace 'OrderId' with values keyed by nothing/,
    ],
    [
      'when values without a key are counted',
      [Visits],
      [],
      (s) => ({ n: s.stream(Visits).count('n') }),
      /it groups values that have no key: rekey them first/,
    ],
    [
      'when values are written under a key of another keyspace',
      [Visits],
      [Shipments],
      (s) => s.stream(Visits).to(Shipments, toShipment),
      /it writes values keyed by nothing to stream 'shipments', which is keyed by keyspace 'OrderId'/,
    ],
    [
      'when a table is written to a stream of another kind',
      [Orders],
      [Visits],
      (s) => s.table(Orders).to(Visits, () => ({})),
      /it writes a table to 'visits', which is unkeyed: a table can only be written to an entity/,
    ],
    [
      'when a table is written to another keyspace',
      [Payments],
      [CustomerWindows],
      (s) =>
        s
          .stream(Payments)
          .count('n')
          .to(CustomerWindows, () => ({})),
      /it writes a table keyed by keyspace 'OrderId' to stream 'customer-windows', which is keyed by/,
    ],
    [
      'when it returns a stream',
      [Orders],
      [],
      (s) => ({ orders: s.stream(Orders) }),
      /its topology returns 'orders', which is none of its tables: remove it/,
    ],
    [
      'when it returns a table under a name that no URL has',
      [Orders],
      [],
      (s) => ({ '..': s.table(Orders) }),
      /its topology returns a table as '\.\.', which no URL can name: rename it/,
    ],
    ['when it returns nothing', [], [], () => undefined, /returns no object: return the tables/],
    ['when it is asynchronous', [], [], async () => ({}), /returns no object/],
  ]
  for (const [what, reads, writes, make, why] of refused) {
    test(what, () => {
      assert.throws(() => build(reads, writes, make as never), {
        name: 'HeadwaterError',
        code: 'topology-invalid',
        message: why,
      })
    })
  }

  test('when it uses a table of another topology', () => {
    let foreign: unknown
    build([Orders], [], (s) => {
      const orders = s.table(Orders)
      foreign = orders
      return { orders }
    })
    const joins = (s: Loose) => s.stream(Payments).join(foreign, () => 1)
    assert.throws(() => build([Payments], [], joins as never), /of another topology: make its own/)
  })

  test('when an operator is called after it has returned', () => {
    let stream: { count(name: string): unknown } | undefined
    build([Payments], [], (s) => {
      const payments = s.stream(Payments)
      stream = payments
      return { n: payments.count('n') }
    })
    assert.throws(() => stream!.count('m'), /after the topology had returned: call it inside/)
  })
})

describe('a tumbling window', () => {
  test('is its size, its grace and its retention in milliseconds', () => {
    assert.deepEqual(tumbling('5m', { grace: '1.5s' }), {
      kind: 'tumbling',
      sizeMs: 300_000,
      graceMs: 1500,
      retentionMs: 30 * 86_400_000,
    })
    assert.equal(tumbling('5m', { grace: '0s', retention: '2h' }).retentionMs, 7_200_000)
    assert.equal(tumbling('5m', { grace: '0s', retention: 'forever' }).retentionMs, Infinity)
  })

  test('is refused when it is no time at all', () => {
    assert.throws(() => tumbling('0s', { grace: '0s' }), /not whole milliseconds: use at least 1ms/)
    assert.throws(() => tumbling('0.5ms', { grace: '0s' }), { code: 'topology-invalid' })
  })
})
