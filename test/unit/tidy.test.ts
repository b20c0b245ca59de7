/** House rules that no linter knows: what every file opens with, which names are banned, no marks left. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'

const root = join(import.meta.dirname, '../..')
const bannedNames = [
  'util',
  'utils',
  'helper',
  'helpers',
  'common',
  'misc',
  'manager',
  'impl',
  'info',
]
const sources = globSync('src/**/*.ts', { cwd: root })
  .filter((file) => !file.endsWith('_pb.ts'))
  .toSorted()

describe('every source file', () => {
  it('opens by saying what it is', () => {
    const silent = sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(read(file)))
    assert.deepEqual(silent, [])
  })

  it('has a name that says something, in kebab case', () => {
    const bad = sources.filter((file) => {
      const words = basename(file, '.ts').split('-')
      return words.some((word) => bannedNames.includes(word) || !/^[a-z0-9]+$/.test(word))
    })
    assert.deepEqual(bad, [])
  })

  it('carries no mark of unfinished work', () => {
    const mark = new RegExp(
      `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`,
    )
    const marked = globSync('{src,test,bench,examples,scripts}/**/*.ts', { cwd: root }).filter(
      (file) => mark.test(read(file)),
    )
    assert.deepEqual(marked, [])
  })
})

describe('the changelog', () => {
  it('has the package version as its top entry', () => {
    const version = (JSON.parse(read('package.json')) as { version: string }).version
    const top = /^## (\S+)/m.exec(read('CHANGELOG.md'))?.[1]
    assert.equal(top, version)
  })
})

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}
