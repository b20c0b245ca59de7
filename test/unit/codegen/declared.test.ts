/** What a set of contracts declares, and what is wrong between two of them, with both places. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readDeclared } from '../../../src/codegen/declared.ts'
import { placeText } from '../../../src/schema/place.ts'
import { compiled, message, proto } from './contracts.ts'

const order = message(
  'Order',
  'name: "orders" kind: KIND_ENTITY key: "id" keyspace: "OrderId" partitions: 12',
)

describe('contracts declare', () => {
  test('streams and keyspaces, nested messages as well, and nothing of messages without a stream', async () => {
    const { streams, keyspaces, problems } = readDeclared(
      await compiled({
        'a/v1/a.proto': proto(
          'a.v1',
          order,
          `message Outer { ${message('Inner', 'name: "inner.events" kind: KIND_UNKEYED')} }`,
          'message Part { string id = 1; }',
        ),
        'b/v1/b.proto': proto(
          'b.v1',
          message('Paid', 'name: "paid" kind: KIND_KEYED key: "id" keyspace: "OrderId"'),
          message(
            'Account',
            'name: "accounts" kind: KIND_ENTITY key: "no" keyspace: "No" partitions: 3',
            'int64 no = 1;',
          ),
        ),
      }),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(
      streams.map(({ constant, message: { typeName } }) => `${constant} ${typeName}`),
      [
        'Orders a.v1.Order',
        'InnerEvents a.v1.Outer.Inner',
        'Paid b.v1.Paid',
        'Accounts b.v1.Account',
      ],
    )
    assert.deepEqual(keyspaces, [
      { name: 'OrderId', type: 'string', partitions: 12 },
      { name: 'No', type: 'int64', partitions: 3 },
    ])
  })
})

describe('what cannot be is named with its places', () => {
  const other = (stream: string, fields?: string) =>
    message('Other', `name: "others" kind: KIND_KEYED ${stream}`, fields)
  const refused: readonly (readonly [what: string, other: string, said: RegExp])[] = [
    [
      'two numbers of partitions of a keyspace',
      other('key: "id" keyspace: "OrderId" partitions: 4'),
      /^a\.proto:4:\d+ keyspace 'OrderId' has 12 partitions here and 4 at b\.proto:4:\d+: .*make them equal$/,
    ],
    [
      'two types of keys in a keyspace',
      other('key: "id" keyspace: "OrderId"', 'int64 id = 1;'),
      /^a\.proto:4:\d+ keyspace 'OrderId' has keys of type string here and int64 at b\.proto:4:\d+: make/,
    ],
    [
      'a keyspace without partitions',
      other('key: "id" keyspace: "OtherId"'),
      /^b\.proto:4:\d+ keyspace 'OtherId' has no partitions: write them in the stream option/,
    ],
    [
      'a stream with a key and without a keyspace',
      other('key: "id"'),
      /^b\.proto:4:\d+ stream 'others' has a key and no keyspace: write one .* keyspace: "Id"$/,
    ],
    [
      'a keyspace whose name is no constant',
      other('key: "id" keyspace: "other-id" partitions: 1'),
      /^b\.proto:4:\d+ keyspace 'other-id' cannot be a constant in TypeScript: call it 'OtherId'$/,
    ],
    [
      'a stream declared twice',
      message('Again', 'name: "orders" kind: KIND_UNKEYED'),
      /^b\.proto:4:\d+ stream 'orders' is declared twice, here and at a\.proto:4:\d+: .*rename one$/,
    ],
    [
      'two streams that would have one constant',
      message('Again', 'name: "Orders" kind: KIND_UNKEYED'),
      /^b\.proto:4:\d+ streams 'Orders' and 'orders' \(at a\.proto:4:\d+\) would both be 'Orders' in/,
    ],
    [
      'a stream and a keyspace that would have one constant',
      message('Again', 'name: "order.id" kind: KIND_UNKEYED'),
      /^b\.proto:4:\d+ the stream and the keyspace at a\.proto:4:\d+ would both be 'OrderId' in/,
    ],
    [
      'a key that is no field',
      other('key: "nowhere" keyspace: "OrderId"'),
      /^b\.proto:4:\d+ message b\.Other names the key 'nowhere', which is none of its fields: id$/,
    ],
  ]
  for (const [what, text, said] of refused) {
    test(what, async () => {
      const files = await compiled({ 'a.proto': proto('a', order), 'b.proto': proto('b', text) })
      const { problems } = readDeclared(files)
      assert.equal(problems.length, 1, JSON.stringify(problems))
      assert.match(`${placeText(problems[0]!)} ${problems[0]!.message}`, said)
    })
  }

  test('as far inside an option as the text goes', async () => {
    const text = proto(
      'b',
      'message Other {',
      '  option (headwater.v1.stream) = {',
      '    name: "others" kind: KIND_KEYED owner: "a" context: "c" key: "id"',
      '    keyspace: "other-id"',
      '    partitions: 2',
      '  };',
      '  string id = 1;',
      '}',
    )
    const { problems } = readDeclared(await compiled({ 'b.proto': text }))
    assert.deepEqual(problems.map(placeText), ['b.proto:7:5'])
  })
})
