/**
 * Every kind of change there is, judged as it is: nothing that harms a reader passes, and nothing harmless is
 * refused; and for all that harms there is a value that shows it.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Change } from '../../../src/evolution/change.ts'
import { diffContracts } from '../../../src/evolution/diff.ts'
import type { StreamDiff } from '../../../src/evolution/diff.ts'
import { compiled } from '../codegen/contracts.ts'
import { kinds } from './kinds.ts'
import type { Kind } from './kinds.ts'

const at = { before: 0, after: 1 } as const

function fileOf(kind: Kind, number: number, version: keyof typeof at): string {
  const of = (either: string | readonly [string, string] | undefined, otherwise: string): string =>
    typeof either === 'object' ? either[at[version]] : (either ?? otherwise)
  const option = `option (headwater.v1.stream) = {name: "s${number}" kind: KIND_UNKEYED owner: "o" context: "c"};`
  return [
    of(kind.syntax, 'syntax = "proto3";'),
    `package ${of(kind.package, 'p')}.n${number};`,
    'import "headwater/v1/options.proto";',
    of(kind.types, ''),
    `message M { ${option} ${kind[version]}\n}`,
  ].join('\n')
}

const compileAll = (version: keyof typeof at) =>
  compiled(Object.fromEntries(kinds.map((kind, i) => [`n${i}.proto`, fileOf(kind, i, version)])))

let diffs: ReadonlyMap<string, StreamDiff>
before(async () => {
  const [old, young] = await Promise.all([compileAll('before'), compileAll('after')])
  diffs = new Map(diffContracts(old, young).map((diff) => [diff.stream, diff]))
})
after(() => assert.ok(kinds.length > 81))

const changesOf = (number: number): readonly Change[] => diffs.get(`s${number}`)!.changes

describe('kinds of change', () => {
  for (const [i, kind] of kinds.entries()) {
    test(`${kind.name}: ${kind.truth}`, () => {
      const changes = changesOf(i)
      for (const [j, direction] of (['backward', 'forward'] as const).entries()) {
        const truth = kind.truth[j]
        const breaking = changes.filter(({ wire }) => wire[direction] === 'breaks')
        if (truth === 'S') assert.deepEqual(breaking, [], direction)
        if (truth !== 'U') continue
        assert.ok(breaking.length > 0, `${direction} passes: ${JSON.stringify(changes)}`)
        for (const { evidence, fix } of breaking) {
          assert.ok(
            evidence.some((each) => each.direction === direction),
            `no evidence ${direction}`,
          )
          assert.notEqual(fix, '')
        }
      }
    })
  }
})
