/**
 * SCRAM · RFC 5802, RFC 7677: both sides prove that they know the password, and neither says it.
 *
 * ```
 * client   n,,n=user,r=C                   C: a nonce of ours
 * broker   r=CS,s=salt,i=4096              CS: ours, and its own behind it
 * client   c=biws,r=CS,p=proof
 * broker   v=signature                     or e=error
 * ```
 *
 * User and password are taken as they are in UTF-8: Kafka stores what it is given without SASLprep (RFC
 * 4013), and so must we. Of the broker's answer everything is checked: a broker that does not know the
 * password cannot pass for one that does, and none can have us work for minutes.
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { Random } from '../../io/ports.ts'
import type { Sasl, SaslExchange } from './sasl.ts'
import { SaslRefusal } from './sasl.ts'

const hashes = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const
const hashBytes = { sha256: 32, sha512: 64 } as const

/** Fewer make a stolen answer cheap to guess from (RFC 7677); Kafka stores no fewer. */
const iterationsMin = 4_096
/** Kafka stores up to 16,384; this many take about a second. */
const iterationsMax = 1_000_000
/** 144 bits. */
const nonceBytes = 18

const derive = promisify(pbkdf2)

export function scram(
  mechanism: keyof typeof hashes,
  username: string,
  password: () => string | Promise<string>,
): Sasl {
  return {
    mechanism,
    username,
    begin: async (random: Random) => {
      const nonce = toBase64(random.bytes(nonceBytes))
      return scramExchange({
        hash: hashes[mechanism],
        username,
        password: await password(),
        nonce,
      })
    },
  }
}

/** One exchange. @param o.nonce printable ASCII without commas, never used before */
function scramExchange(o: {
  readonly hash: keyof typeof hashBytes
  readonly username: string
  readonly password: string
  readonly nonce: string
}): SaslExchange {
  const bare = `n=${saslName(o.username)},r=${o.nonce}`
  let signature: Uint8Array | undefined
  return {
    first: utf8Bytes(`n,,${bare}`),
    answer: async (challenge) => {
      const said = utf8String(challenge)
      if (signature !== undefined) {
        checkEnd(said, signature)
        return undefined
      }
      const { nonce, salt, iterations } = readFirst(said, o.nonce)
      const salted = await derive(o.password, salt, iterations, hashBytes[o.hash], o.hash)
      const withoutProof = `c=biws,r=${nonce}`
      const signed = `${bare},${said},${withoutProof}`
      const clientKey = hmac(o.hash, salted, 'Client Key')
      const storedKey = createHash(o.hash).update(clientKey).digest()
      const clientSignature = hmac(o.hash, storedKey, signed)
      const proof = clientKey.map((byte, i) => byte ^ clientSignature[i]!)
      signature = hmac(o.hash, hmac(o.hash, salted, 'Server Key'), signed)
      return utf8Bytes(`${withoutProof},p=${toBase64(proof)}`)
    },
  }
}

function hmac(hash: string, key: Uint8Array, text: string): Uint8Array {
  return createHmac(hash, key).update(text).digest()
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

/** A comma ends a field, and an equals sign begins an escape. */
function saslName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C')
}

const base64Pattern = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?'
const firstPattern = new RegExp(
  `^r=([\\x21-\\x2b\\x2d-\\x7e]+),s=(${base64Pattern}),i=([1-9]\\d{0,9})(?:,.*)?$`,
  's',
)

function readFirst(said: string, ours: string) {
  if (said.startsWith('m=')) throw new SaslRefusal('it needs an extension that nobody here knows')
  const [, nonce, salt, count] = firstPattern.exec(said) ?? []
  if (nonce === undefined || salt === undefined || salt === '') {
    throw new SaslRefusal('its answer is not SCRAM: is it a Kafka broker?')
  }
  if (!nonce.startsWith(ours) || nonce.length === ours.length) {
    throw new SaslRefusal(
      'it answered to another sign-in than this one: somebody may be in between',
    )
  }
  const iterations = Number(count)
  if (iterations < iterationsMin || iterations > iterationsMax) {
    throw new SaslRefusal(
      `it asks for ${iterations} iterations, and ${iterationsMin} to ${iterationsMax} are done: store the user's password anew with a count between`,
    )
  }
  return { nonce, salt: fromBase64(salt), iterations }
}

const endPattern = new RegExp(`^v=(${base64Pattern})(?:,.*)?$`, 's')

function checkEnd(said: string, signature: Uint8Array): void {
  const [, error] = /^e=([^,]*)/.exec(said) ?? []
  if (error !== undefined) throw new SaslRefusal(`it says ${error}: correct user and password`)
  const theirs = fromBase64(endPattern.exec(said)?.[1] ?? '')
  if (theirs.length !== signature.length || !timingSafeEqual(theirs, signature)) {
    throw new SaslRefusal(
      'it let us in without knowing the password itself: somebody may be in between, so nothing was sent',
    )
  }
}
