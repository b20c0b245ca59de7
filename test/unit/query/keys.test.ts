import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { connect } from '../../../src/query/client.ts'
import { keyInPath, readQuery } from '../../../src/query/target.ts'
import { service } from '../../../src/service/service.ts'
import { runCommand } from '../../airline/command.ts'
import { asked, Clicks, web } from './asked.ts'
import type { Asked } from './asked.ts'

const keys = [
  '',
  '.',
  '..',
  '/',
  '//',
  'a/b',
  'a//b',
  '/a',
  'a/',
  'a/..',
  '../a',
  'a/../b',
  '%2e%2e',
  '..%2f',
  '%',
  '%zz',
  '%41',
  '100%',
  'a b',
  ' ',
  ' x ',
  'a+b',
  '?x=1',
  '#frag',
  'a&b=c',
  'a;b',
  'a\\b',
  ':',
  'a\nb',
  'a\rb',
  'a\r\nb',
  '\t',
  '\0',
  '\u2028',
  '\u00A0',
  '\uFEFFx',
  'é',
  'e\u0301',
  '😀',
  '日本',
  '"',
  "'",
  '<>',
  '{key}',
  'constructor',
  '__proto__',
  'then',
  'null',
  '-1',
  '-x',
  '--json',
  'x'.repeat(20_000),
]

const board = service('board', {
  reads: [Clicks],
  writes: [],
  topology: (s) => ({
    perPage: s.stream(Clicks).reduce(
      'per-page',
      () => '',
      (_before, { page }) => page,
    ),
  }),
})

describe('a key of any characters', () => {
  let services: Asked
  let url = ''
  let origin = ''
  before(async () => {
    services = await asked()
    const written = await services.start(web(keys.map((page) => ({ page }))))
    const asking = await services.start(board)
    await written.app.caughtUp()
    await asking.app.caughtUp()
    ;({ url, origin } = asking)
    for (const key of keys) assert.equal(await asking.app.query.perPage.get(key), key)
  })
  after(() => services[Symbol.asyncDispose]())

  it('is found over HTTP as ?key=, and by a program that makes its URL with URLSearchParams', async () => {
    for (const key of keys) {
      for (const query of [`key=${encodeURIComponent(key)}`, new URLSearchParams({ key })]) {
        const response = await fetch(`${url}/perPage?${query.toString()}`)
        assert.equal(response.status, 200, JSON.stringify(key))
        assert.equal(await response.json(), key)
      }
    }
  })

  it('is found as a part of a path, but for three that no path can hold', async () => {
    for (const key of keys) {
      const response = await fetch(`${url}/perPage/${encodeURIComponent(key)}`)
      if (['', '.'].includes(key)) {
        assert.equal(response.status, 400)
        const { error } = (await response.json()) as { error: { message: string } }
        assert.match(error.message, /write the key as \?key=/)
      } else if (key === '..') {
        assert.equal(response.status, 404)
      } else {
        assert.equal(response.status, 200, JSON.stringify(key))
        assert.equal(await response.json(), key)
      }
    }
  })

  it('is found by the typed client, by get and by its own text as prefix', async () => {
    const { perPage } = connect<typeof board>(url)
    for (const key of keys) {
      assert.equal(await perPage.get(key), key)
      const listed = await Array.fromAsync(perPage.scan({ prefix: key }))
      assert.ok(
        listed.some(([found]) => found === key),
        JSON.stringify(key),
      )
    }
    assert.equal(await perPage.get('none of them'), undefined)
  })

  it('that is no text is refused by the typed client before anything is asked', async () => {
    const { perPage } = connect<typeof board>(url)
    const refused = { code: 'input-invalid', message: /half a character/ }
    await assert.rejects(perPage.get('a\uD800'), refused)
    await assert.rejects(Array.fromAsync(perPage.scan({ prefix: '\uDC00' })), refused)
  })

  it('is found by `headwater get`', async () => {
    const some = ['', '.', '..', 'a/b', '100%', '%41', '?x=1', '#frag', 'a\nb', '-1', '\u2028', ' ']
    for (const key of some) {
      const asking = await runCommand(['get', 'board', 'perPage', '--url', origin, '--', key])
      assert.deepEqual([asking.code, asking.stderr], [0, ''], JSON.stringify(key))
      assert.equal(JSON.parse(asking.stdout), key)
    }
  })
})

describe('the text in a URL', () => {
  it('is a key and no other, whatever it is', () => {
    const text = fc.string({ unit: 'binary', maxLength: 50 }).filter((each) => each.isWellFormed())
    fc.assert(
      fc.property(text, (key) => {
        const query = readQuery(`http://h/v1/s/v?key=${encodeURIComponent(key)}`, ['key'])
        assert.ok(query instanceof Map)
        assert.equal(query.get('key'), key)
        if (key !== '') assert.equal(keyInPath(`/v1/s/v/${encodeURIComponent(key)}`), key)
      }),
    )
  })

  it('is refused when it is not percent-encoded UTF-8', () => {
    for (const text of ['%', '%zz', '%4', '%ff', '%C3', '%ED%A0%80', '%C0%AE', 'a%']) {
      for (const refused of [
        readQuery(`http://h/?key=${text}`, ['key']),
        keyInPath(`/v1/s/v/${text}`),
      ]) {
        assert.ok(typeof refused === 'object' && 'error' in refused, text)
        assert.equal(refused.status, 400)
        assert.match(refused.error.message, /is not percent-encoded UTF-8/)
      }
    }
  })
})
