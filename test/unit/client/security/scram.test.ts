/** SCRAM against the exchange that stands in RFC 7677, and against brokers that are not what they say. */
import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, it } from 'node:test'
import { utf8Bytes, utf8String } from '../../../../src/base/bytes.ts'
import type { SaslExchange } from '../../../../src/client/security/sasl.ts'
import { scram } from '../../../../src/client/security/scram.ts'

/** RFC 7677, section 3. */
const rfc = {
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  first: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  proof:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  end: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}

function begin(name = 'user', password = 'pencil', mechanism = 'SCRAM-SHA-256' as const) {
  // The nonce of the RFC is the base64 of these bytes.
  const bytes = () => new Uint8Array(Buffer.from(rfc.nonce, 'base64'))
  return scram(mechanism, name, () => password).begin({ bytes })
}

async function say(exchange: SaslExchange, text: string): Promise<string | undefined> {
  const answer = await exchange.answer(utf8Bytes(text))
  return answer && utf8String(answer)
}

describe('SCRAM', () => {
  it('says what RFC 7677 says, and is content with what its server answers', async () => {
    const exchange = await begin()
    assert.equal(utf8String(exchange.first), `n,,n=user,r=${rfc.nonce}`)
    assert.equal(await say(exchange, rfc.first), rfc.proof)
    assert.equal(await say(exchange, rfc.end), undefined)
  })

  it('escapes what would end a name', async () => {
    const { first } = await begin('a,b=c,')
    assert.equal(utf8String(first), `n,,n=a=2Cb=3Dc=2C,r=${rfc.nonce}`)
  })

  it('proves a password in SHA-512 as a server computes it', async () => {
    const bytes = () => new Uint8Array(18).fill(7)
    const exchange = await scram('SCRAM-SHA-512', 'ü', () => 'pä ss').begin({ bytes })
    const bare = utf8String(exchange.first).slice(3)
    const nonce = `${bare.split('r=')[1]}theirs`
    const said = `r=${nonce},s=${Buffer.from('salty').toString('base64')},i=5000`
    const final = utf8String((await exchange.answer(utf8Bytes(said)))!)
    // The server's side of RFC 5802, section 3: it knows the stored key, and gets the client's key from the proof.
    const salted = pbkdf2Sync('pä ss', 'salty', 5000, 64, 'sha512')
    const mac = (key: Uint8Array, text: string) => createHmac('sha512', key).update(text).digest()
    const stored = createHash('sha512').update(mac(salted, 'Client Key')).digest()
    const signed = `${bare},${said},c=biws,r=${nonce}`
    const signature = mac(stored, signed)
    const proof = Buffer.from(final.split(',p=')[1]!, 'base64')
    const key = proof.map((byte, i) => byte ^ signature[i]!)
    assert.deepEqual(createHash('sha512').update(key).digest(), stored)
    const end = mac(mac(salted, 'Server Key'), signed).toString('base64')
    assert.equal(await exchange.answer(utf8Bytes(`v=${end}`)), undefined)
  })

  const salt = 's=W22ZaJ0SNY7soEsUEjb6gQ=='
  const nonce = `r=${rfc.nonce}theirs`
  for (const [what, text, message] of [
    ['a nonce that is not ours', `r=other,${salt},i=4096`, /another sign-in/],
    ['our nonce with nothing behind it', `r=${rfc.nonce},${salt},i=4096`, /another sign-in/],
    ['fewer iterations than are safe', `${nonce},${salt},i=4095`, /4095 iterations/],
    ['more iterations than anybody waits for', `${nonce},${salt},i=1000001`, /1000001 iterations/],
    ['a salt that is none', `${nonce},s=?,i=4096`, /not SCRAM/],
    ['no salt', `${nonce},s=,i=4096`, /not SCRAM/],
    ['an extension it insists on', `m=x,${nonce},${salt},i=4096`, /extension/],
    ['something else', 'hello', /not SCRAM/],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(say(await begin(), text), { name: 'SaslRefusal', message })
    })
  }

  for (const [what, text] of [
    ['one bit off', 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8='],
    ['cut off', 'v=6rri'],
    ['no signature', 'v='],
    ['something else', 'ok'],
  ] as const) {
    it(`refuses a broker that does not know the password: ${what}`, async () => {
      const exchange = await begin()
      await say(exchange, rfc.first)
      await assert.rejects(say(exchange, text), { message: /without knowing the password/ })
    })
  }

  it('says what the broker says', async () => {
    const exchange = await begin()
    await say(exchange, rfc.first)
    await assert.rejects(say(exchange, 'e=unknown-user'), { message: /unknown-user/ })
  })
})
