/** What a stream of commands is declared as, and what a topology may do with it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readDeclared } from '../../../src/codegen/declared.ts'
import { streamsModule } from '../../../src/codegen/streams-module.ts'
import { command } from '../../../src/events/event.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import { businessTopology } from '../../../src/service/graph.ts'
import { service } from '../../../src/service/service.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { buildTopology } from '../../../src/streams/topology/build.ts'
import type { Queries } from '../../../src/streams/topology/builder.ts'
import { OrderCommandSchema } from '../../gen/shop/v1/ordering_pb.ts'
import { OrderSchema } from '../../gen/shop/v1/shop_pb.ts'
import { OrderCommands, OrderEvents, ordering, place } from '../../types/ordering.ts'
import { CustomerId, OrderId, Orders, Payments, Visits } from '../../types/shop.ts'
import { compiled, message, proto } from '../codegen/contracts.ts'

// oxlint-disable-next-line no-explicit-any -- what the types would refuse
type Untyped = any

describe('a contract of commands', () => {
  const declared = { key: OrderId, by: 'orderId', owner: 'ordering' } as const

  it('is held against what the program says, reasons in any order', () => {
    const reasons = ['too-much', 'not-placed', 'already-placed'] as const
    assert.equal(
      command('order-commands', OrderCommandSchema, { ...declared, reasons }).kind,
      'command',
    )
    assert.throws(
      () => command('order-commands', OrderCommandSchema, { ...declared, reasons: ['too-much'] }),
      /the program says the list of reasons is 'too-much', the contract .* says 'already-placed, not-placed, too-much'/,
    )
    assert.throws(
      () =>
        command('orders', OrderSchema, {
          key: OrderId,
          by: 'orderId',
          owner: 'checkout',
          reasons: [],
        }),
      /the kind is 'command'/,
    )
  })

  it('becomes TypeScript with its reasons', async () => {
    const options = 'name: "carts" kind: KIND_COMMAND key: "id" keyspace: "CartId" partitions: 3'
    const text = async (stream: string): Promise<string> => {
      const files = await compiled({ 'a.proto': proto('a.v1', message('Cart', stream)) })
      const { problems, ...rest } = readDeclared(files)
      return problems[0]?.message ?? streamsModule(rest)
    }
    assert.match(
      await text(`${options} reasons: "full" reasons: "sold-out"`),
      /command\('carts', CartSchema, {\n {2}key: CartId,\n {2}by: 'id',\n {2}owner: 'a',\n {2}reasons: \['full', 'sold-out'\],\n}\)/,
    )
    assert.match(await text(`${options} reasons: "sold out"`), /a reason is one word/)
    const keyed = options.replace('COMMAND', 'KEYED')
    assert.match(await text(`${keyed} reasons: "full"`), /is keyed and yet names reasons/)
    assert.match(await text('name: "carts" kind: KIND_COMMAND'), /is command but names no key/)
  })
})

describe('a topology that decides', () => {
  const decided = {
    events: OrderEvents,
    initial: () => 0,
    decide: (_: unknown, __: unknown, { accept }: { accept: () => unknown }) => accept(),
    evolve: (n: number) => n + 1,
  }
  const refused = (
    make: (s: Untyped) => Queries,
    what: RegExp,
    o: { readonly reads?: readonly AnyEvent[]; readonly writes?: readonly AnyEvent[] } = {},
  ): void => {
    const { reads = [OrderCommands], writes = [OrderEvents] } = o
    const scope = { service: 'ordering', reads, writes }
    assert.throws(
      () => buildTopology(scope, make as never),
      (error: Error) => {
        assert.match(error.message, what)
        return (error as { code?: string }).code === 'topology-invalid'
      },
    )
  }

  it('keeps commands for a week, outcomes for an hour, events for ever', () => {
    const { topics } = planTopology(ordering().build())
    const retention = Object.fromEntries(
      topics.map(({ name, partitions, configs }) => [name, [partitions, configs['retention.ms']]]),
    )
    assert.deepEqual(retention['order-commands'], [12, '604800000'])
    assert.deepEqual(retention['order-events'], [12, '-1'])
    assert.deepEqual(retention['ordering-outcomes'], [8, '3600000'])
    assert.deepEqual(retention['ordering-orders-changelog'], [12, undefined])
    assert.deepEqual(retention['ordering-orders-outcomes-changelog'], [12, undefined])
  })

  it('remembers what came of commands for ten minutes, or as long as it says, within bounds', () => {
    const remembering = (options: object) => {
      const scope = { service: 'ordering', reads: [OrderCommands], writes: [OrderEvents] }
      const { nodes } = buildTopology(scope, ((s: Untyped) => {
        s.decide('d', OrderCommands, { ...decided, ...options })
        return {}
      }) as never)
      const node = nodes.find(({ kind }) => kind === 'decide')
      return node?.kind === 'decide' ? node.remember : undefined
    }
    const mebibyte = 1024 * 1024
    assert.deepEqual(remembering({}), { ms: 600_000, bytesMax: 16 * mebibyte })
    for (const bytesMax of [mebibyte, 256 * mebibyte]) {
      const options = { remember: '7d', rememberBytesMax: bytesMax }
      assert.deepEqual(remembering(options), { ms: 604_800_000, bytesMax })
    }
    const outside: readonly (readonly [object, RegExp])[] = [
      [{ remember: '0ms' }, /'d' has remember in milliseconds 0: .* from 1 to 604800000/],
      [{ remember: '169h' }, /'d' has remember in milliseconds 608400000: /],
      [{ remember: '0.5ms' }, /'d' has remember in milliseconds 0\.5: /],
      [{ rememberBytesMax: mebibyte - 1 }, /'d' has rememberBytesMax 1048575: .* from 1048576 to/],
      [{ rememberBytesMax: 256 * mebibyte + 1 }, /'d' has rememberBytesMax 268435457: /],
    ]
    for (const [options, why] of outside) {
      refused((s) => (s.decide('d', OrderCommands, { ...decided, ...options }), {}), why)
    }
  })

  it('decides commands, and its own', () => {
    refused(
      (s) => (s.decide('d', Payments, decided), {}),
      /'d' decides stream 'payments', which is keyed/,
      {
        reads: [Payments],
      },
    )
    const other = { ...OrderCommands, owner: 'billing' }
    refused((s) => (s.decide('d', other, decided), {}), /which 'billing' owns and so decides/, {
      reads: [other],
    })
    refused((s) => (s.decide('d', OrderCommands, decided), {}), /add it to reads/, { reads: [] })
  })

  it('decides a command once, and lets nothing else into the stream of its events', () => {
    const twice = (s: Untyped) => {
      s.decide('d', OrderCommands, decided)
      s.decide('e', OrderCommands, { ...decided })
      return {}
    }
    refused(twice, /decided by 'd' and by 'e'/)
    const writtenAfter = (s: Untyped) => {
      s.decide('d', OrderCommands, decided).events.to(OrderEvents)
      return {}
    }
    refused(writtenAfter, /holds what 'd' has decided, and is written elsewhere, too/)
    const writtenBefore = (s: Untyped) => {
      s.input('i', OrderEvents, async function* () {})
      s.decide('d', OrderCommands, decided)
      return {}
    }
    refused(writtenBefore, /holds what 'd' has decided/)
  })

  it('has events of the keyspace of its commands, and declares them', () => {
    const visits = { ...decided, events: Visits }
    refused((s) => (s.decide('d', OrderCommands, visits), {}), /'visits', which is unkeyed/, {
      writes: [Visits],
    })
    const elsewhere = { ...OrderEvents, key: CustomerId }
    const others = { ...decided, events: elsewhere }
    refused((s) => (s.decide('d', OrderCommands, others), {}), /keyed by keyspace 'CustomerId'/, {
      writes: [elsewhere],
    })
    refused((s) => (s.decide('d', OrderCommands, decided), {}), /add it to writes/, { writes: [] })
    const taken = { ...OrderEvents, name: 'ordering-outcomes' }
    refused(
      (s) => (s.decide('d', OrderCommands, { ...decided, events: taken }), {}),
      /a stream is called 'ordering-outcomes', where the service tells what comes of commands/,
      { writes: [taken] },
    )
    refused((s) => (s.decide('d', OrderCommands, { ...decided, version: 0 }), {}), /has version 0/)
    refused((s) => (s.decide('d/e', OrderCommands, decided), {}), /the decider is called 'd\/e'/)
  })

  it('is not asked whether its state goes anywhere', () => {
    const topology = buildTopology(
      { service: 'ordering', reads: [OrderCommands], writes: [OrderEvents] },
      ((s: Untyped) => (s.decide('d', OrderCommands, decided), {})) as never,
    )
    assert.deepEqual(
      topology.nodes.map(({ kind }) => kind),
      ['source', 'decide', 'aggregate'],
    )
  })
})

describe('a service that sends commands to another', () => {
  it('names them in its writes, whoever owns them', () => {
    const shop = service('shop', {
      reads: [Orders],
      writes: [OrderCommands],
      topology: (s) => {
        s.stream(Orders)
          .map(({ orderId, total }) => place(orderId, total))
          .to(OrderCommands)
        return {}
      },
    })
    assert.equal(shop.context, undefined)
    const { streams } = businessTopology([ordering(), shop])
    const commands = streams.find(({ name }) => name === 'order-commands')
    assert.deepEqual(
      [commands?.kind, commands?.owner, commands?.readers],
      ['command', 'ordering', ['ordering']],
    )
    assert.equal(commands?.writer, undefined)
    const other = { ...OrderCommands, reasons: ['other'] }
    const another = service('another', { reads: [], writes: [other], topology: () => ({}) })
    assert.throws(() => businessTopology([another, ordering()]), /has the list of reasons/)
    assert.ok(shop.build().nodes.length > 0)
  })
})
