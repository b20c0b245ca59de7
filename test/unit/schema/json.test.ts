import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { create, toJson } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { anyPack, TimestampSchema } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import { messageJson, plainJson } from '../../../src/schema/json.ts'
import { ClickSchema, ProfileSchema } from '../../gen/asked/v1/asked_pb.ts'
import type { Mood } from '../../gen/asked/v1/asked_pb.ts'

describe('a message as JSON', () => {
  it('is what the mapping of Protocol Buffers says, with zeros written out', () => {
    const profile = create(ProfileSchema, {
      id: 'ann',
      born: { seconds: 5n },
      shift: { seconds: 3n, nanos: 500_000_000 },
      settings: { dark: true, sizes: [1, null] },
      nick: '',
      age: 0,
      contact: { case: 'badge', value: 9_223_372_036_854_775_807n },
      score: Infinity,
      mood: 77 as Mood,
      photo: new Uint8Array([1, 2, 3]),
    })
    assert.deepEqual(json(profile), {
      id: 'ann',
      born: '1970-01-01T00:00:05Z',
      shift: '3.500s',
      settings: { dark: true, sizes: [1, null] },
      nick: '',
      mood: 77,
      age: 0,
      badge: '9223372036854775807',
      score: 'Infinity',
      big: '0',
      visits: {},
      friends: [],
      photo: 'AQID',
    })
    assert.deepEqual(json(profile), toJson(ProfileSchema, profile, { alwaysEmitImplicit: true }))
  })

  it('opens an Any of a type that its file, an import of it or Protocol Buffers define', () => {
    const stamp = anyPack(TimestampSchema, create(TimestampSchema, { seconds: 5n }))
    const click = anyPack(ClickSchema, create(ClickSchema, { page: 'home' }))
    assert.deepEqual(shown({ extra: stamp }).extra, {
      '@type': 'type.googleapis.com/google.protobuf.Timestamp',
      value: '1970-01-01T00:00:05Z',
    })
    assert.deepEqual(shown({ extra: click }).extra, {
      '@type': 'type.googleapis.com/asked.v1.Click',
      page: 'home',
      times: 0,
    })
  })

  it('is an object of its fields where the mapping has nothing for it', () => {
    const value = new Uint8Array([8, 1])
    const cases: [MessageInitShape<typeof ProfileSchema>, object][] = [
      [
        { extra: { typeUrl: 'type.googleapis.com/acme.Unknown', value } },
        { extra: { typeUrl: 'type.googleapis.com/acme.Unknown', value: 'CAE=' } },
      ],
      [{ extra: {} }, { extra: {} }],
      [
        { extra: { typeUrl: 'type.googleapis.com/asked.v1.Click', value: new Uint8Array([255]) } },
        { extra: { typeUrl: 'type.googleapis.com/asked.v1.Click', value: '/w==' } },
      ],
      [{ born: { seconds: 253_402_300_800n } }, { born: { seconds: '253402300800', nanos: 0 } }],
      [{ born: { seconds: 5n, nanos: -1 } }, { born: { seconds: '5', nanos: -1 } }],
      [{ shift: { seconds: 400_000_000_000n } }, { shift: { seconds: '400000000000', nanos: 0 } }],
      [{ mask: { paths: ['a_1'] } }, { mask: { paths: ['a_1'] } }],
      [{ free: { kind: { case: 'numberValue', value: NaN } } }, { free: { numberValue: 'NaN' } }],
      [{ free: { kind: { case: undefined } } }, { free: {} }],
      [
        { settings: { speed: -Infinity, name: 'x' } },
        { settings: { fields: { speed: { numberValue: '-Infinity' }, name: 'x' } } },
      ],
      [
        { visits: { 1: { seconds: 1n }, 2: { seconds: 999_999_999_999n } } },
        { visits: { 1: '1970-01-01T00:00:01Z', 2: { seconds: '999999999999', nanos: 0 } } },
      ],
    ]
    for (const [given, expected] of cases) {
      const rest = { mood: 'MOOD_UNSPECIFIED', score: 0, big: '0', friends: [], photo: '' }
      assert.deepEqual(shown({ id: 'x', ...given }), { id: 'x', visits: {}, ...rest, ...expected })
    }
  })

  it('changes its form only where it must: what lies beside and around stays as it was', () => {
    const born = { seconds: 253_402_300_800n }
    const { friends, mood, big } = shown({
      mood: 1,
      big: 7n,
      friends: [{ id: 'odd', born, shift: { seconds: 1n } }, { id: 'even' }],
    })
    assert.deepEqual([mood, big], ['MOOD_GOOD', '7'])
    const [odd, even] = friends as Record<string, unknown>[]
    assert.deepEqual([odd!['born'], odd!['shift']], [{ seconds: '253402300800', nanos: 0 }, '1s'])
    assert.deepEqual(even, shown({ id: 'even' }))
  })
})

describe('plain data as JSON', () => {
  it('writes what JSON lacks in the forms of Protocol Buffers', () => {
    const value = {
      big: 12n,
      numbers: [NaN, Infinity, -Infinity, 1.5],
      at: new Date(0),
      late: new Date(8.64e15),
      never: new Date(NaN),
      bytes: new Uint8Array([1, 2]),
      buffer: Buffer.from('abc'),
      nothing: undefined,
      list: [undefined, null],
      ['__proto__']: 'a name like any other',
    }
    assert.equal(
      JSON.stringify(plainJson(value)),
      '{"big":"12","numbers":["NaN","Infinity","-Infinity",1.5],"at":"1970-01-01T00:00:00.000Z",' +
        '"late":"+275760-09-13T00:00:00.000Z","never":"Invalid Date","bytes":"AQI=","buffer":"YWJj",' +
        '"list":[null,null],"__proto__":"a name like any other"}',
    )
  })

  it('writes bytes of any size', () => {
    for (const size of [0, 1, 200_000, 3_000_000]) {
      const text = plainJson(new Uint8Array(size).fill(7)) as string
      assert.deepEqual(Buffer.from(text, 'base64'), Buffer.alloc(size, 7))
    }
  })

  it('leaves alone what is JSON', () => {
    const unlessNegativeZero = (text: string) => !/-0(?![.\d])/.test(text)
    fc.assert(
      fc.property(fc.json().filter(unlessNegativeZero), (text) => {
        const value: unknown = JSON.parse(text)
        assert.deepEqual(plainJson(value), value)
      }),
    )
  })
})

function json(message: Parameters<typeof messageJson>[1]): unknown {
  return messageJson(ProfileSchema, message)
}

function shown(given: MessageInitShape<typeof ProfileSchema>): Record<string, unknown> {
  return json(create(ProfileSchema, given)) as Record<string, unknown>
}
