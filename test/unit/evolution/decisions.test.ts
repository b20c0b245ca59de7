/** What is decided where it depends on the reader, and what a change is called beside the bytes. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { DescFile } from '@bufbuild/protobuf'
import type { Change } from '../../../src/evolution/change.ts'
import { diffContracts } from '../../../src/evolution/diff.ts'
import type { StreamDiff } from '../../../src/evolution/diff.ts'
import { refusalsOf } from '../../../src/evolution/judge.ts'
import { compiled, message, proto } from '../codegen/contracts.ts'

const unkeyed = 'name: "visits" kind: KIND_UNKEYED'

interface Case {
  readonly before: string
  readonly after: string
  diffs: readonly StreamDiff[]
}

/** All compiled at once, before the first test. */
const cases: Case[] = []

function diffOf(before: string, after: string): Case {
  const made = { before, after, diffs: [] }
  cases.push(made)
  return made
}

/** Of a message's fields. */
function fieldsDiff(
  before: string,
  after: string,
  types: readonly [string, string] = ['', ''],
): Case {
  return diffOf(
    `${message('Visit', unkeyed, before)} ${types[0]}`,
    `${message('Visit', unkeyed, after)} ${types[1]}`,
  )
}

const changesIn = ({ diffs: [diff] }: Case): readonly Change[] => diff!.changes

const verdicts = (changes: readonly Change[]) =>
  changes.map(({ kind, wire, json, source }) => {
    const of = ({ backward, forward }: Change['wire']) => `${backward}/${forward}`
    return `${kind}: wire ${of(wire)}, json ${of(json)}, source ${source}`
  })

describe('what changes mean', () => {
  before(async () => {
    const versions = (['before', 'after'] as const).map((version) =>
      compiled(
        Object.fromEntries(cases.map((each, i) => [`a${i}.proto`, proto(`a${i}`, each[version])])),
      ),
    )
    const [old, young] = await Promise.all(versions)
    for (const [i, each] of cases.entries()) {
      const own = (files: readonly DescFile[]) => files.filter(({ name }) => name === `a${i}`)
      each.diffs = diffContracts(own(old!), own(young!))
    }
  })

  describe('where it depends on the reader', () => {
    const decided: readonly (readonly [string, string, string, string])[] = [
      [
        'a removed field has to be reserved',
        'string a = 1; string b = 2;',
        'string a = 1;',
        'field-removed: wire safe/breaks, json safe/breaks, source breaks',
      ],
      [
        'its name, too',
        'string a = 1; string b = 2;',
        'string a = 1; reserved 2;',
        'field-removed: wire safe/breaks, json safe/breaks, source breaks',
      ],
      [
        'then only whoever reads it misses it',
        'string a = 1; string b = 2;',
        'string a = 1; reserved 2; reserved "b";',
        'field-removed: wire safe/depends, json safe/depends, source breaks',
      ],
      [
        'another name is another field',
        'string a = 1;',
        'string b = 1;',
        'field-reused: wire breaks/breaks, json breaks/breaks, source breaks',
      ],
      [
        'unless it is declared: then JSON and code change',
        'string a = 1;',
        'string b = 1 [(headwater.v1.field) = {renamed_from: ["z", "a"]}];',
        'field-renamed: wire safe/safe, json breaks/breaks, source breaks',
      ],
      [
        'a declared rename may be taken back',
        'string b = 1 [(headwater.v1.field).renamed_from = "a"];',
        'string a = 1;',
        'field-renamed: wire safe/safe, json breaks/breaks, source breaks',
      ],
      [
        "a name in JSON is JSON's",
        'string a = 1;',
        'string a = 1 [json_name = "z"];',
        'json-name-changed: wire safe/safe, json breaks/breaks, source safe',
      ],
      [
        'a reservation stays',
        'string a = 1; reserved 5 to 9;',
        'string a = 1; reserved 5 to 8;',
        'reservation-removed: wire breaks/breaks, json breaks/breaks, source safe',
      ],
      [
        'it may be written otherwise',
        'string a = 1; reserved 5 to 9;',
        'string a = 1; reserved 7 to 9, 4 to 6;',
        '',
      ],
      [
        'a reserved name may not come back',
        'string a = 1; reserved "b";',
        'string a = 1; string b = 3;',
        'field-added-over-reservation: wire safe/safe, json breaks/safe, source depends',
      ],
      [
        'a new field has to be written by whoever writes the message',
        'string a = 1;',
        'string a = 1; string b = 2;',
        'field-added: wire safe/safe, json safe/safe, source depends',
      ],
      [
        'an optional one does not',
        'string a = 1;',
        'string a = 1; optional string b = 2;',
        'field-added: wire safe/safe, json safe/safe, source safe',
      ],
      [
        'a zero that was set is not told from none any more',
        'optional int32 a = 1;',
        'int32 a = 1;',
        'presence-changed: wire depends/safe, json depends/safe, source breaks',
      ],
    ]
    for (const [name, old, young, verdict] of decided) {
      const made = fieldsDiff(old, young)
      test(name, () => {
        assert.deepEqual(verdicts(changesIn(made)), verdict === '' ? [] : [verdict])
      })
    }

    const color = 'enum Color { C_UNSPECIFIED = 0; C_RED = 1; }'
    const numbers = fieldsDiff('int32 c = 1;', 'Color c = 1;', [color, color])
    test('a number that is read as an enum may be one without a name', () => {
      assert.deepEqual(verdicts(changesIn(numbers)), [
        'type-changed: wire depends/safe, json depends/safe, source breaks',
      ])
    })

    const alias =
      'enum Color { option allow_alias = true; C_UNSPECIFIED = 0; C_CRIMSON = 1; C_RED = 1; }'
    const named = fieldsDiff('Color c = 1;', 'Color c = 1;', [color, alias])
    test('a value of an enum that was given another name is known under either', () => {
      assert.deepEqual(changesIn(named), [])
    })

    const nested = fieldsDiff('Box b = 1;', 'Box b = 1;', [
      '\nmessage Box { repeated Line lines = 1; } message Line { int32 n = 1; }',
      '\nmessage Box { repeated Line lines = 1; }\nmessage Line {\n sint32 n = 1; }',
    ])
    test('a name is told with the path by which it is reached, and both places', () => {
      const [change] = changesIn(nested)
      const file = `a${cases.indexOf(nested)}.proto`
      assert.match(change!.subject, /^a\d+\.Line\.n$/)
      assert.equal(change!.path, 'b.lines.n')
      assert.deepEqual(change!.before, { file, line: 5, column: 57 })
      assert.deepEqual(change!.after, { file, line: 7, column: 2 })
    })
  })

  describe('of a contract', () => {
    const keyed = 'name: "visits" kind: KIND_KEYED key: "id" keyspace: "V" partitions: 4'
    const fields = 'string id = 1; string no = 2; int64 at = 3;'
    const changed = (stream: string, more = fields) =>
      diffOf(message('Visit', keyed, fields), message('Visit', stream, more))
    const kindsIn = (made: Case) =>
      changesIn(made).map(({ kind, wire }) => `${kind} ${wire.backward}/${wire.forward}`)
    const streams: readonly (readonly [string, string])[] = [
      [keyed.replace('KIND_KEYED', 'KIND_ENTITY'), 'kind-changed breaks/breaks'],
      [keyed.replace('key: "id"', 'key: "no"'), 'key-changed breaks/breaks'],
      [keyed.replace('partitions: 4', 'partitions: 5'), 'partitions-changed breaks/breaks'],
      [keyed.replace('"V"', '"W"'), 'keyspace-changed depends/depends'],
      [
        `${keyed} compatibility: COMPATIBILITY_BACKWARD_TRANSITIVE`,
        'promise-lowered depends/depends',
      ],
      [`${keyed} compatibility: COMPATIBILITY_FULL`, 'promise-lowered depends/depends'],
    ]
    for (const [stream, change] of streams) {
      const made = changed(stream)
      test(change, () => assert.deepEqual(kindsIn(made), [change]))
    }

    const timed = changed(
      keyed,
      fields.replace('at = 3', 'at = 3 [(headwater.v1.field).event_time = true]'),
    )
    const commands = (more: string) =>
      message('C', `name: "c" kind: KIND_COMMAND key: "id" keyspace: "K" ${more}`).replace(
        'owner: "a" context: "c"',
        '',
      )
    const handedOver = diffOf(
      commands('owner: "a" context: "x" reasons: ["full", "late"]'),
      commands('owner: "b" context: "y" reasons: ["full", "closed"]'),
    )
    test('another event time, owner, context and reason', () => {
      assert.deepEqual(kindsIn(timed), ['event-time-changed depends/depends'])
      assert.deepEqual(kindsIn(handedOver), [
        'owner-changed depends/depends',
        'context-changed depends/depends',
        'reason-added safe/depends',
        'reason-removed safe/safe',
      ])
    })

    const cameAndWent = diffOf(
      `${message('Visit', unkeyed)} ${message('Old', 'name: "old" kind: KIND_UNKEYED')}`,
      `${message('Call', unkeyed)} ${message('New', 'name: "new" kind: KIND_UNKEYED')}`,
    )
    test('streams that come and go, and the name of a message', () => {
      assert.deepEqual(
        cameAndWent.diffs.map(({ stream, changes }) => [
          stream,
          ...changes.map(({ kind }) => kind),
        ]),
        [
          ['visits', 'type-renamed'],
          ['new', 'stream-added'],
          ['old', 'stream-removed'],
        ],
      )
    })
  })

  describe('what was promised decides', () => {
    const widened = (level: string) => {
      const stream = `${unkeyed} compatibility: COMPATIBILITY_${level}`
      return diffOf(
        message('Visit', stream, 'int32 n = 1;'),
        message('Visit', stream, 'int64 n = 1;'),
      )
    }
    const refused = ({ diffs: [diff] }: Case, also: readonly ('json' | 'source')[] = []) =>
      refusalsOf(diff!.changes[0]!, diff!.level, also).map(
        ({ axis, directions }) => `${axis} ${directions.join()}`,
      )
    const levels: readonly (readonly [string, readonly string[]])[] = [
      ['NONE', []],
      ['BACKWARD', []],
      ['BACKWARD_TRANSITIVE', []],
      ['FORWARD', ['wire forward']],
      ['FORWARD_TRANSITIVE', ['wire forward']],
      ['FULL', ['wire forward']],
      ['FULL_TRANSITIVE', ['wire forward']],
      ['UNSPECIFIED', ['wire forward']],
    ]
    for (const [level, expected] of levels) {
      const made = widened(level)
      test(`${level}, when int32 becomes int64`, () => assert.deepEqual(refused(made), expected))
    }

    const [full, none] = [widened('FULL'), widened('NONE')]
    test('JSON and code are judged where somebody asks, and nothing under NONE', () => {
      assert.deepEqual(refused(full, ['json', 'source']), [
        'wire forward',
        'json forward',
        'source backward,forward',
      ])
      assert.deepEqual(refused(none, ['json', 'source']), [])
    })
  })

  const another = fieldsDiff('int32 n = 1;', 'string n = 1;')
  test('another type is one change, whatever its zero is', () => {
    assert.deepEqual(verdicts(changesIn(another)), [
      'type-changed: wire breaks/breaks, json breaks/breaks, source breaks',
    ])
  })

  describe('contracts that somebody made to be hard', () => {
    const chain = (last: string) =>
      Array.from(
        { length: 500 },
        (_, i) => `message T${i} { ${i === 499 ? last : `T${i + 1} below = 1;`} }`,
      ).join('\n')
    const wide = (from: number) =>
      Array.from({ length: 2_000 }, (_, i) => `string f${i} = ${i + from};`).join('\n')
    const hard = (last: string, from: number) =>
      `${message('Visit', unkeyed, 'T0 t = 1; Wide w = 2;')}\n${chain(last)}\nmessage Wide { ${wide(from)} }`
    const made = diffOf(hard('int32 n = 1;', 1), hard('sint32 n = 1;', 2))
    test('five hundred types one in the other, and one with two thousand fields', () => {
      const kinds = Map.groupBy(changesIn(made), ({ kind }) => kind)
      assert.equal(kinds.get('type-changed')!.length, 1)
      assert.equal(kinds.get('field-renumbered')!.length, 2_000)
    })
  })
})

describe('a set of contracts', () => {
  const both = `${message('A', unkeyed)} ${message('B', unkeyed)}`
  let files: readonly DescFile[]
  before(async () => {
    files = await compiled({ 'both.proto/visits.proto': proto('both', both) })
  })

  test('may stand in a directory that is called like a file', () => {
    assert.deepEqual(
      files.map(({ name }) => name),
      ['both.proto/visits'],
    )
  })

  test('has one message for a stream', () => {
    assert.throws(() => diffContracts([], files), {
      code: 'contract-invalid',
      message:
        "messages both.A and both.B are both of stream 'visits': give one of them a name of its own",
    })
  })
})
