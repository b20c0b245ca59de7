/** The committed TypeScript of `.proto` files is what `npm run gen` makes of them, and they are well made. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, describe, test } from 'node:test'

const root = join(import.meta.dirname, '../../..')
const folder = mkdtempSync(join(tmpdir(), 'headwater-generated-'))
after(() => rmSync(folder, { recursive: true }))

describe('the generated code', () => {
  for (const template of ['buf.gen.yaml', 'examples/airline/buf.gen.yaml', 'test/buf.gen.yaml']) {
    test(`of ${template} is up to date: npm run gen changes nothing`, () => {
      const out = join(folder, template)
      buf('generate', '--template', template, '--output', out)
      const files = globSync('**/*_pb.ts', { cwd: out })
      assert.ok(files.length > 0)
      for (const file of files) {
        assert.equal(readFileSync(join(root, file), 'utf8'), readFileSync(join(out, file), 'utf8'))
      }
    })
  }

  test('comes from files that pass buf lint', () => {
    assert.equal(buf('lint'), '')
  })
})

function buf(...command: string[]): string {
  const bin = join(root, 'node_modules/.bin')
  return execFileSync(join(bin, 'buf'), command, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
  })
}
