/**
 * `kafka('…')`: how to reach a Kafka cluster, as everything that takes a broker wants it.
 *
 * What it returns holds no secret that can be printed. Certificates and keys are read once; passwords and
 * tokens that stand in files are read for each sign-in, so they may be changed while it runs.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { nodeClock } from '../../io/node-clock.ts'
import { readSecretFile, readTextFile } from '../../io/node-file.ts'
import { nodeNetwork } from '../../io/node-network.ts'
import { environment } from '../../io/node-process.ts'
import { nodeTls } from '../../io/node-tls.ts'
import type { Dial, TlsOptions } from '../../io/ports.ts'
import type { ConnectionString } from './connection-string.ts'
import { parseConnectionString, passwordVariable } from './connection-string.ts'
import { oauthBearer, plain, userText } from './sasl.ts'
import type { Sasl, TokenProvider } from './sasl.ts'
import { scram } from './scram.ts'

/** Where a broker is, how to reach it, and as whom. */
export interface BrokerAddress {
  /** Tried in turn until one answers; the others of the cluster are learnt from it. */
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
  readonly dial: Dial
  /** How to sign in; undefined where nobody is asked. */
  readonly sasl?: Sasl | undefined
}

/** What a connection string cannot hold, or a program has at hand. Each stands in one of the two places. */
export interface KafkaOptions {
  /** TLS: `true` with the authorities that Node comes with, or texts in PEM. */
  readonly ssl?: boolean | TlsOptions
  readonly sasl?: SaslOptions
}

export type SaslOptions =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
      readonly username: string
      /** Asked for at each sign-in when it is a function. */
      readonly password: string | (() => string | Promise<string>)
    }
  | {
      readonly mechanism: 'OAUTHBEARER'
      /** Called when a token is needed: at each sign-in, or when 80 % of the last one's time is over. */
      readonly token: TokenProvider
    }

const now = (): number => nodeClock.now()

/**
 * The broker that a program has given, if it is one; else throws `config-invalid`. What was given is not shown,
 * as it may hold a password.
 */
export function brokerOf(options: { readonly broker: BrokerAddress } | undefined): BrokerAddress {
  const given: unknown = options?.broker
  if (typeof given === 'object' && given !== null && 'bootstrap' in given && 'dial' in given) {
    return given as BrokerAddress
  }
  const what = given === undefined || given === null ? 'missing' : `of type ${typeof given}`
  throw new HeadwaterError(
    'config-invalid',
    `broker is ${what}: give what kafka('host:port') returns, or what embedded(directory) has opened`,
  )
}

/**
 * The address of a Kafka cluster: `'host:port'`, or several with commas between, or all of
 * `'kafka+ssl://user@host:9093,host2:9093?sasl=scram-sha-512&ca=/path'` (docs/clusters.md). A password may
 * also come from `password-file=` or the environment variable HEADWATER_BROKER_PASSWORD.
 *
 * Throws `config-invalid` for what is no address or contradicts itself, and `input-missing` for a file that
 * cannot be read. Nothing is dialled yet.
 */
export function kafka(addresses: string, options: KafkaOptions = {}): BrokerAddress {
  const read = parseConnectionString(addresses)
  const sasl = saslOf(read, options)
  return { bootstrap: read.bootstrap, dial: dialOf(read, options), ...(sasl && { sasl }) }
}

function dialOf({ ssl, values }: ConnectionString, o: KafkaOptions): Dial {
  if (ssl !== undefined && o.ssl !== undefined && ssl !== (o.ssl !== false)) {
    throw twice(
      `ssl is ${String(o.ssl !== false)}, and the address begins with kafka${ssl ? '+ssl' : ''}://`,
    )
  }
  const given = typeof o.ssl === 'object' ? o.ssl : {}
  if (!(ssl ?? false) && (o.ssl ?? false) === false) {
    return (host, port) => nodeNetwork.connect(host, port)
  }
  const told = tlsOf(values)
  for (const name of Object.keys(told) as (keyof TlsOptions)[]) {
    if (given[name] !== undefined) throw twice(`${name} stands in the address and in the options`)
  }
  return nodeTls({ ...told, ...given })
}

function tlsOf(values: ConnectionString['values']): TlsOptions {
  const { ca, cert, key, servername } = values
  const passwordFile = values['key-password-file']
  return {
    ...(ca && { ca: readTextFile(ca, 'the authorities (ca)') }),
    ...(cert && { cert: readTextFile(cert, 'the certificate of this client (cert)') }),
    ...(key && { key: readTextFile(key, 'the key of the certificate (key)') }),
    ...(passwordFile && { passphrase: readSecretFile(passwordFile, 'the password of the key') }),
    ...(servername && { servername }),
  }
}

function saslOf(read: ConnectionString, { sasl }: KafkaOptions): Sasl | undefined {
  if (sasl === undefined) return fromString(read)
  if (read.mechanism !== undefined) throw twice('sasl stands in the address and in the options')
  if (sasl.mechanism === 'OAUTHBEARER') return oauthBearer(sasl.token, now)
  const { mechanism, username, password } = sasl
  return byPassword(mechanism, username, typeof password === 'string' ? () => password : password)
}

function fromString({ mechanism, username, password, values }: ConnectionString): Sasl | undefined {
  if (mechanism === undefined) return undefined
  if (mechanism === 'OAUTHBEARER') return oauthBearer(tokenOf(values['token-file']), now)
  return byPassword(mechanism, username!, passwordOf(username!, password, values['password-file']))
}

function byPassword(
  mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
  username: string,
  password: () => string | Promise<string>,
): Sasl {
  const text = async (): Promise<string> => {
    const given: unknown = await password()
    // Whatever it is, it is not to be shown.
    if (typeof given !== 'string') throw new Error('what it gave is no text')
    return given
  }
  if (mechanism === 'PLAIN') return plain(username, text)
  return scram(mechanism, username, text)
}

function passwordOf(username: string, password: string | undefined, file: string | undefined) {
  if (file !== undefined) return readAgain(file, `the password of ${userText(username)}`)
  const known = password ?? environment(passwordVariable)
  if (known !== undefined) return () => known
  throw new HeadwaterError(
    'config-invalid',
    `there is no password for ${userText(username)}: name a file that holds it with password-file=, or set ${passwordVariable}`,
  )
}

function tokenOf(file: string | undefined): TokenProvider {
  if (file !== undefined) return readAgain(file, 'the token')
  throw new HeadwaterError(
    'config-invalid',
    'there is no token for oauthbearer: name a file that holds it with token-file=, or give a function as the option sasl.token',
  )
}

/** Read at once, so that a wrong path is said before anything begins; and whenever it is needed. */
function readAgain(file: string, what: string): () => string {
  readSecretFile(file, what)
  return () => {
    try {
      return readSecretFile(file, what)
    } catch (cause) {
      // It was there: whoever writes it anew is soon done.
      if (!isHeadwaterError(cause)) throw cause
      throw new HeadwaterError('connection-failed', cause.message, { retriable: true, cause })
    }
  }
}

function twice(what: string): HeadwaterError {
  return new HeadwaterError(
    'config-invalid',
    `the Kafka cluster is described twice: ${what}; say it once`,
  )
}
