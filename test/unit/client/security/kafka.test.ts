/** The one text that says how to reach a cluster. What it holds of secrets is nowhere to be seen. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { utf8String } from '../../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../../src/base/errors.ts'
import { kafka } from '../../../../src/client/security/kafka.ts'
import { nodeRandom } from '../../../../src/io/node-clock.ts'

const directory = mkdtempSync(join(tmpdir(), 'headwater-reach-'))
after(() => rmSync(directory, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** What a broker is sent first. */
async function first(text: string): Promise<string> {
  const exchange = await kafka(text).sasl!.begin(nodeRandom)
  return utf8String(exchange.first)
}

describe('the address of a Kafka cluster', () => {
  it('is one broker or several, of IPv6, too', () => {
    assert.deepEqual(kafka('a:9092, b:9093').bootstrap, [
      { host: 'a', port: 9092 },
      { host: 'b', port: 9093 },
    ])
    assert.deepEqual(kafka('[::1]:19092').bootstrap, [{ host: '::1', port: 19_092 }])
    assert.deepEqual(kafka('kafka+ssl://[fd00::5]:9093,b').bootstrap, [
      { host: 'fd00::5', port: 9093 },
      { host: 'b', port: 9092 },
    ])
    assert.deepEqual(kafka('kafka://a').bootstrap, [{ host: 'a', port: 9092 }])
    assert.equal(kafka('KAFKA+SSL://a/').sasl, undefined)
  })

  it('that cannot be read is refused with how to write one', () => {
    for (const address of [
      '',
      'a:',
      ':9092',
      'a:9092,',
      'a:x',
      'a:0',
      'a:65536',
      '::1:9092',
      'a b',
    ]) {
      assert.throws(
        () => kafka(address),
        (error) => isHeadwaterError(error, 'config-invalid') && /HOST:PORT/.test(error.message),
        address,
      )
    }
  })

  it('says who signs in, and how', async () => {
    const { sasl } = kafka('kafka://al%40ice:p%3Aw@a?sasl=Plain')
    assert.deepEqual([sasl!.mechanism, sasl!.username], ['PLAIN', 'al@ice'])
    assert.equal(await first('kafka://al%40ice:p%3Aw%25@a?sasl=plain'), '\0al@ice\0p:w%')
    assert.match(await first('kafka://a:b@c?sasl=scram-sha-512'), /^n,,n=a,r=[\w+/]{24}$/)
  })

  it('takes the password from a file, as it is when it is needed, or from the environment', async () => {
    const path = file('password', 'one\n')
    const { sasl } = kafka(`kafka://a@c?sasl=plain&password-file=${encodeURIComponent(path)}`)
    assert.equal(utf8String((await sasl!.begin(nodeRandom)).first), '\0a\0one')
    file('password', 'two\r\n')
    assert.equal(utf8String((await sasl!.begin(nodeRandom)).first), '\0a\0two')
    // Whoever writes it anew empties it first.
    file('password', '')
    const passing = { code: 'connection-failed', retriable: true }
    await assert.rejects(sasl!.begin(nodeRandom), passing)
    file('password', 'three\n')
    assert.equal(utf8String((await sasl!.begin(nodeRandom)).first), '\0a\0three')
    process.env['HEADWATER_BROKER_PASSWORD'] = 'three'
    try {
      assert.equal(await first('kafka://a@c?sasl=plain'), '\0a\0three')
      assert.equal(await first('kafka://a:four@c?sasl=plain'), '\0a\0four')
    } finally {
      delete process.env['HEADWATER_BROKER_PASSWORD']
    }
  })

  it('takes a token from a file', async () => {
    const path = file('token', 'ey.J.x\n')
    const text = await first(`kafka://c?sasl=oauthbearer&token-file=${path}`)
    assert.equal(text, 'n,,\x01auth=Bearer ey.J.x\x01\x01')
  })

  for (const [text, message] of [
    ['https://a', /begins with https:\/\//],
    ['kafka+ssl:a', /begins|address|host/],
    ['a@b:9092', /begin it with kafka\+ssl/],
    ['a:9092?sasl=plain', /begin it with kafka\+ssl/],
    ['kafka://a@b', /not how to sign in/],
    ['kafka://@b', /no user before it/],
    ['kafka://b?sasl=plain', /no user/],
    ['kafka://a@b?sasl=plain', /HEADWATER_BROKER_PASSWORD/],
    ['kafka://a:x@b?sasl=gssapi', /plain, scram-sha-256/],
    ['kafka://a:x@b?sasl=plain&sasl=plain', /sasl twice/],
    ['kafka://a:x@b?sasl=plain&password-file=/x', /a password and a password-file/],
    ['kafka://a:x@b?sasl=oauthbearer', /takes none/],
    ['kafka://b?sasl=oauthbearer', /token-file=/],
    ['kafka://a:x@b?sasl=plain&token-file=/x', /for sasl=oauthbearer/],
    ['kafka://b?password-file=/x', /no user/],
    ['kafka://b?ca=/x', /begin it with kafka\+ssl/],
    ['kafka+ssl://b?cert=/x', /needs its key/],
    ['kafka+ssl://b?key=/x', /needs its key/],
    ['kafka+ssl://b?key-password-file=/x', /no key=/],
    ['kafka+ssl://b?tls=yes', /nobody knows \(tls\): there are sasl, password-file/],
    ['kafka+ssl://b?ca=', /says nothing behind ca=/],
    ['kafka://a%:x@b?sasl=plain', /%25/],
    ['a:9092,b:x', /number 2 of its 2 addresses/],
    ['kafka+ssl://b?ca=/a@b', /an @ behind a \?: write %3F .* and %40/],
    ['kafka+ssl://b?ca=-----BEGIN%20CERTIFICATE-----', /a text in ca= .* a PEM file/],
    ['kafka+ssl://b?ca=x&key=%0A', /a text in key= where a file is to be named/],
  ] as const) {
    it(`refuses ${text}`, () => {
      assert.throws(() => kafka(text), { code: 'config-invalid', message })
    })
  }

  it('names a file that is not there or holds nothing, at once', () => {
    const missing = join(directory, 'missing')
    const message = /missing' \(ENOENT\)/
    for (const text of [
      `kafka+ssl://b?ca=${missing}`,
      `kafka://a@b?sasl=plain&password-file=${missing}`,
      `kafka://b?sasl=oauthbearer&token-file=${missing}`,
    ]) {
      assert.throws(() => kafka(text), { code: 'input-missing', message }, text)
    }
    const empty = file('empty', '\n')
    assert.throws(() => kafka(`kafka://a@b?sasl=plain&password-file=${empty}`), {
      code: 'input-missing',
      message: /is empty/,
    })
    const noPem = file('no.pem', 'hello')
    assert.throws(() => kafka(`kafka+ssl://b?ca=${noPem}`), {
      code: 'config-invalid',
      message: /holds no certificate/,
    })
  })

  it('may be completed by options, and says nothing twice', async () => {
    const sasl = { mechanism: 'PLAIN', username: 'a', password: async () => 'b' } as const
    const broker = kafka('kafka+ssl://b', { sasl })
    assert.equal(utf8String((await broker.sasl!.begin(nodeRandom)).first), '\0a\0b')
    const message = /described twice/
    assert.throws(() => kafka('kafka://a:b@c?sasl=plain', { sasl }), { message })
    assert.throws(() => kafka('kafka://c', { ssl: true }), { message })
    assert.throws(() => kafka('kafka+ssl://c', { ssl: false }), { message })
    assert.throws(() => kafka('kafka+ssl://c?servername=x', { ssl: { servername: 'y' } }), {
      message,
    })
  })

  for (const text of [
    // The scheme forgotten, or the host, or written in other words.
    'u:hunter',
    'u:hunter,b:9092',
    'b:9092,u:hunter',
    'u:hunter@b',
    'u:hunter@b:9092?sasl=plain',
    'kafka:u:hunter',
    'kafka:/u:hunter@b',
    'kafka://u:hunter',
    'hunter://u:x@b',
    'sasl_ssl://u:hunter@b',
    'u p w hunter',
    'kafka://u%3Ahunter@b?sasl=plain',
    // Characters in the password that end it.
    'kafka+ssl://u:pw?hunter=two@host',
    'kafka+ssl://u:pw?hunter=@host',
    'kafka+ssl://u:pw?hunter@host',
    'kafka+ssl://u:pw?hunter=two',
    'kafka+ssl://u:1?hunter=two@host',
    'kafka+ssl://u:1?ca=hunter@host',
    'kafka+ssl://u:1?x=1&hunter=two@host',
    'u:pw?hunter=&x@h',
    'kafka://u:1?sasl=hunter@h',
    'kafka://u:1?sasl=plain&token-file=hunter@h',
    'kafka://u:pw/hunter@h',
    'kafka://u:1/hunter@h',
    'kafka://u:1/?hunter=1@h',
    'kafka://u:hunter/x@h',
    'kafka://u:1#hunter@h',
    'kafka://u:hunter#1@h',
    'kafka://u:pw@hunter@h',
    'kafka://u:pw@hunter:x?sasl=plain',
    'kafka://u:pw@hunter:x,b',
    'kafka://u:p,hunter@h',
    'kafka://u:p w,hunter:x',
    'u:p w,hunter:x',
    'kafka://u:p%hunter@h?sasl=plain',
    'kafka://u:hunter@h?sasl=gssapi',
    'kafka://u:hunter@h?sasl=plain&sasl=plain',
    'kafka://u:hunter@[::1?sasl=plain',
    'kafka://u:hunter\n@h:x',
    // Secrets where files are named.
    'kafka+ssl://h?ca=a&key=-----BEGIN%20PRIVATE%20KEY-----%0Ahunter',
    'kafka://h?sasl=oauthbearer&token-file=hunter%0A',
  ]) {
    it(`tells nothing of the password in ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => kafka(text),
        (error) => {
          assert.ok(isHeadwaterError(error, 'config-invalid'), String(error))
          const shown = inspect(error, { depth: 9, showHidden: true })
          for (const said of [error.message, JSON.stringify(error), shown]) {
            assert.ok(!said.includes('hunter'), said)
          }
          return true
        },
      )
    })
  }

  it('shows no secret, whether it is understood or not', () => {
    const secret = 'hunter2'
    const broker = kafka(`kafka://a:${secret}@b?sasl=scram-sha-256`)
    for (const text of [inspect(broker, { depth: 9, showHidden: true }), JSON.stringify(broker)]) {
      assert.ok(!text.includes(secret), text)
    }
    const parts = ['kafka://', '@', 'a', ':', '@b', secret, '?', '&', '=', ',', '%', '/']
    const words = [...parts, 'sasl', 'plain', 'b:9092', '#', ' ', '[', ']', 'password']
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), (some) => {
        const text = `kafka+ssl://user:${secret}${some.join('')}`
        try {
          kafka(text)
        } catch (error) {
          assert.ok(isHeadwaterError(error), String(error))
          assert.ok(!error.message.includes(secret), `${text}: ${error.message}`)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
