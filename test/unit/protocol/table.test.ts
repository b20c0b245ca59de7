import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { announcedVersions, apiByKey, apiNames, apis } from '../../../src/protocol/api.ts'
import { ErrorCode, errorName, errorText, isRetriable } from '../../../src/protocol/errors.ts'

test('docs/protocol.md lists the APIs and versions spoken', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/protocol.md'), 'utf8')
  const spoken = page.slice(page.indexOf('## What is spoken'), page.indexOf('## What is left out'))
  const rows = spoken.split('\n').filter((line) => /^\| \d/.test(line))
  const expected = apiNames.map((name) => {
    const { key, versions, flexibleFrom } = apis[name]
    const range = [...new Set(versions)].join('–')
    return `| ${key} | ${name} | ${range} | ${flexibleFrom === Infinity ? 'never' : flexibleFrom} |`
  })
  assert.deepEqual(rows, expected)
})

test('every API is found by its key', () => {
  for (const name of apiNames) assert.equal(apiByKey(apis[name].key), name)
  assert.equal(apiByKey(4), undefined)
})

test('Produce is announced from version 0 and every other API as it is spoken', () => {
  assert.deepEqual(announcedVersions('Produce'), [0, 13])
  assert.deepEqual(announcedVersions('Fetch'), [4, 18])
})

test('every error code has a name and a text, and an unknown one is still printable', () => {
  for (const [name, code] of Object.entries(ErrorCode)) {
    assert.equal(errorName(code), name)
    assert.ok(errorText(code).length > 5)
  }
  assert.equal(errorName(999), 'ERROR_999')
  assert.match(errorText(999), /999/)
  assert.equal(isRetriable(999), false)
})

test('a client may retry what passes by itself and nothing else', () => {
  assert.ok(isRetriable(ErrorCode.NOT_LEADER_OR_FOLLOWER))
  assert.ok(isRetriable(ErrorCode.CONCURRENT_TRANSACTIONS))
  assert.ok(!isRetriable(ErrorCode.NONE))
  assert.ok(!isRetriable(ErrorCode.PRODUCER_FENCED))
})
