/**
 * One text that says how to reach a cluster: where it is, whether over TLS, and as whom.
 *
 * ```
 * [kafka[+ssl]://][USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…][?PARAMETER=VALUE&…]
 * ```
 *
 * User, password and values are percent-encoded where they hold one of `@:/?#&%,`. What is wrong is said
 * without repeating any part that may be secret: of a text that is not understood, that is all of it.
 */
import type { Address } from '../../base/address.ts'
import { parseAddress } from '../../base/address.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { SaslMechanism } from './sasl.ts'

/** The port Kafka's own tools expect a broker on. */
export const kafkaPortDefault = 9092

/** Holds the password of a user whose connection string has none. */
export const passwordVariable = 'HEADWATER_BROKER_PASSWORD'

/** What may stand behind the question mark, and what each is. */
const parameters = {
  sasl: 'how to sign in: plain, scram-sha-256, scram-sha-512 or oauthbearer',
  'password-file': 'a file that holds the password',
  'token-file': 'a file that holds the token of oauthbearer; it is read for each sign-in',
  ca: 'a PEM file of the authorities that certificates of brokers are signed by',
  cert: 'a PEM file with the certificate of this client, and those between it and its authority',
  key: 'a PEM file with the key of that certificate',
  'key-password-file': 'a file that holds the password of that key',
  servername:
    'the name that the certificates of the brokers must be for, when not the host dialled',
} as const

type Parameter = keyof typeof parameters

export interface ConnectionString {
  readonly bootstrap: readonly Address[]
  /** Undefined when the text has no scheme, and so does not say. */
  readonly ssl: boolean | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly mechanism: SaslMechanism | undefined
  readonly values: { readonly [P in Parameter]?: string }
}

const mechanisms: readonly SaslMechanism[] = [
  'PLAIN',
  'SCRAM-SHA-256',
  'SCRAM-SHA-512',
  'OAUTHBEARER',
]
const ofSsl: readonly Parameter[] = ['ca', 'cert', 'key', 'key-password-file', 'servername']

const pattern =
  /^(?:(?<scheme>[a-z][a-z\d+.-]*):\/\/)?(?:(?<user>[^@/?#]*)@)?(?<hosts>[^@/?#]*)\/?(?:\?(?<query>[^#]*))?$/is

/** Reads a connection string; `config-invalid` says what is wrong with it, and how it is written. */
export function parseConnectionString(text: string): ConnectionString {
  const { scheme, user, hosts, query } = pattern.exec(text.trim())?.groups ?? {}
  if (hosts === undefined) throw notUnderstood(text)
  // Before anything is named: what looks like a host or a parameter may be the rest of a password.
  const bootstrap = readAddresses(hosts)
  if (query?.includes('@') === true) {
    throw wrong('has an @ behind a ?: write %3F for a ? in a user or password, and %40 for an @')
  }
  const values = readQuery(query)
  const [username, password] = readUser(user)
  const mechanism = readMechanism(values.sasl)
  const read = {
    ssl: readScheme(scheme, user === undefined),
    username,
    password,
    mechanism,
    values,
  }
  if (scheme === undefined && (user !== undefined || query !== undefined)) {
    throw wrong(
      'says more than addresses, and not how to speak: begin it with kafka+ssl://, or with kafka:// where nothing is encrypted',
    )
  }
  const contradiction = contradictionIn(read)
  if (contradiction !== undefined) throw wrong(contradiction)
  return { bootstrap, ...read }
}

/** How addresses are written, at the end of every refusal. */
const form =
  'write HOST:PORT, as in localhost:9092 or [::1]:9092, or kafka+ssl://USER@HOST:PORT,HOST:PORT?sasl=scram-sha-512'

function wrong(what: string): HeadwaterError {
  return new HeadwaterError('config-invalid', `the address of the Kafka cluster ${what}`)
}

function notUnderstood(text: string): HeadwaterError {
  const isAt = text.split('@').length > 2
  return wrong(
    isAt
      ? 'has more than one @: write %40 for one in a user or password'
      : `is not understood: ${form}`,
  )
}

/** @param isAlone no user is in the text, so nothing of it is a password */
function readScheme(scheme: string | undefined, isAlone: boolean): boolean | undefined {
  if (scheme === undefined) return undefined
  const name = scheme.toLowerCase()
  if (name === 'kafka') return false
  if (name === 'kafka+ssl') return true
  throw wrong(
    `begins with ${isAlone ? `${name}://` : 'another scheme'}, and only kafka:// and kafka+ssl:// are known: ${form}`,
  )
}

/** What looks like an address and is none may be a user and a password: it is counted, and not repeated. */
function readAddresses(hosts: string): Address[] {
  const texts = hosts.split(',')
  return texts.map((text, i) => {
    const { host, port = kafkaPortDefault } = parseAddress(text.trim()) ?? {}
    if (host !== undefined && port > 0) return { host, port }
    const which = texts.length === 1 ? '' : ` as number ${i + 1} of its ${texts.length} addresses`
    throw wrong(`has a host or a port that is none${which}: ${form}`)
  })
}

function readUser(text: string | undefined): [username?: string, password?: string | undefined] {
  if (text === undefined) return []
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? []
  if (user === '')
    throw wrong('has an @ and no user before it: write USER@HOST, or leave the @ out')
  return [
    decode(user, 'the user'),
    password === undefined ? password : decode(password, 'the password'),
  ]
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong(`has a % in ${what} that begins no escape: write %25 for it`)
  }
}

function readQuery(query: string | undefined): ConnectionString['values'] {
  const values: { [P in Parameter]?: string } = {}
  for (const part of query?.split('&') ?? []) {
    const [, name, text] = /^([^=]*)=(.*)$/s.exec(part) ?? []
    if (name === undefined || !Object.hasOwn(parameters, name)) {
      const known = Object.keys(parameters).join(', ')
      throw wrong(`has a parameter that nobody knows${namedSafely(name)}: there are ${known}`)
    }
    const parameter = name as Parameter
    if (values[parameter] !== undefined) throw wrong(`says ${name} twice: leave one of them out`)
    if (text === '') throw wrong(`says nothing behind ${name}=: ${parameters[parameter]}`)
    values[parameter] = decode(text!, name)
    // A path that is not there is named; a key must not be.
    if (/-----BEGIN|[\r\n]/.test(values[parameter])) {
      throw wrong(`has a text in ${name}= where a file is to be named: ${parameters[parameter]}`)
    }
  }
  return values
}

/** A name with nothing behind it may be the rest of a password with a question mark in it. */
function namedSafely(name: string | undefined): string {
  return name !== undefined && /^[a-z_.-]{1,40}$/i.test(name) ? ` (${name})` : ''
}

function readMechanism(text: string | undefined): SaslMechanism | undefined {
  if (text === undefined) return undefined
  const found = mechanisms.find((each) => each === text.toUpperCase())
  if (found !== undefined) return found
  throw wrong(`names a mechanism that is not spoken here: ${parameters.sasl}`)
}

/** What does not go together; undefined when all does. */
function contradictionIn(read: Omit<ConnectionString, 'bootstrap'>): string | undefined {
  const { ssl, username, password, mechanism, values } = read
  const forSsl = ofSsl.find((each) => values[each] !== undefined)
  const isToken = mechanism === 'OAUTHBEARER'
  const passwordFile = values['password-file']
  if (ssl !== true && forSsl !== undefined) {
    return `has ${forSsl}=, which is for TLS, and begins with kafka://: begin it with kafka+ssl://`
  }
  if ((values.cert === undefined) !== (values.key === undefined)) {
    return 'has one of cert= and key=: the certificate of a client needs its key, and both are given'
  }
  if (values['key-password-file'] !== undefined && values.key === undefined) {
    return 'has key-password-file= and no key='
  }
  if (username !== undefined && mechanism === undefined) {
    return "has a user, and not how to sign in: add ?sasl=scram-sha-512, or what the broker's sasl.enabled.mechanisms names"
  }
  if (isToken && (username !== undefined || passwordFile !== undefined)) {
    return 'has a user or a password, and oauthbearer takes none: its token says who it is'
  }
  if (!isToken && values['token-file'] !== undefined) {
    return 'has token-file=, which is for sasl=oauthbearer'
  }
  if (mechanism !== undefined && !isToken && username === undefined) {
    return `has sasl=${mechanism.toLowerCase()} and no user: write USER@ before the host`
  }
  if (password !== undefined && passwordFile !== undefined) {
    return 'has a password and a password-file=: leave one of them out'
  }
  return passwordFile !== undefined && username === undefined
    ? 'has password-file= and no user: write USER@ before the host'
    : undefined
}
