/**
 * The front page is read literally, so each of its sentences names the tests that hold it. A sentence that
 * is new, or reads otherwise than here, fails until somebody has said which test makes it true.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { claims, missing } from './claims.ts'
import { readPage, root, sentencesOf } from './markdown.ts'

const sentences = sentencesOf(readPage('README.md'))

describe('the front page', () => {
  it('says nothing that no test holds', () => {
    const held = new Set([...claims.map(({ says }) => says), ...missing])
    assert.deepEqual(
      sentences.filter(({ sentence }) => !held.has(sentence)),
      [],
    )
  })

  it('says all that is held here', () => {
    const said = new Set(sentences.map(({ sentence }) => sentence))
    const stale = [...claims.map(({ says }) => says), ...missing].filter((says) => !said.has(says))
    assert.deepEqual(stale, [])
  })

  it('leaves unproven only what it says is missing', () => {
    const elsewhere = sentences.filter(
      ({ section, sentence }) =>
        missing.includes(sentence) && section !== 'What is not there yet' && section !== 'Go on',
    )
    assert.deepEqual(elsewhere, [])
  })

  for (const { says, by } of claims) {
    it(`is held to its word: ${says}`, () => {
      assert.ok(by.length > 0)
      for (const [file, test] of by) {
        assert.ok(existsSync(join(root, file)), `there is no ${file}`)
        assert.ok(testsOf(file).has(test), `${file} has no test '${test}'`)
      }
    })
  }
})

/** The names of the tests in a file, as they are written there. */
function testsOf(file: string): Set<string> {
  const named = /\b(?:it|test)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g
  return new Set(
    [...readPage(file).matchAll(named)].map(([, , name]) => name!.replaceAll("\\'", "'")),
  )
}
