/**
 * The listeners of a Kafka node that encrypt and ask who is there, and what a client needs for them.
 *
 * The certificate of the node is for `localhost` and for no address, so who dials 127.0.0.1 has to say whom
 * it means.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificateAuthority } from '../certificates.ts'

/** A user of PLAIN and of both SCRAMs. */
const user = { name: 'alice', password: 'alice-secret' }

/** How long a sign-in holds on the listener `brief`. */
const briefMs = 3_000

const names = ['ssl', 'mutual', 'sasl', 'brief', 'saslPlaintext'] as const

/** Everything is on 127.0.0.1; paths are of PEM files. */
export interface Secured {
  readonly ports: {
    /** TLS, and nobody is asked who they are. */
    readonly ssl: number
    /** TLS, with the certificate of the client. */
    readonly mutual: number
    /** TLS and SASL, by every mechanism. */
    readonly sasl: number
    /** The same, and who has signed in must do so again within `briefMs`. */
    readonly brief: number
    /** SASL in plain text. */
    readonly saslPlaintext: number
  }
  readonly briefMs: number
  readonly user: { readonly name: string; readonly password: string }
  readonly ca: string
  /** Another authority, which has signed nothing of this node's. */
  readonly otherCa: string
  readonly cert: string
  readonly key: string
}

export const securedPortCount = names.length

/** What the node is told on top, and what its storage is formatted with. */
export interface Security {
  readonly listeners: readonly { readonly name: string; readonly port: number }[]
  readonly properties: Readonly<Record<string, string>>
  readonly formatArguments: readonly string[]
  readonly secured: Secured
}

/** Writes certificates into `directory`. */
export async function makeSecurity(directory: string, ports: readonly number[]): Promise<Security> {
  const [ssl, mutual, sasl, brief, saslPlaintext] = ports as [
    number,
    number,
    number,
    number,
    number,
  ]
  const files = await writeCertificates(directory)
  return {
    listeners: [
      { name: 'SSL', port: ssl },
      { name: 'MUTUAL', port: mutual },
      { name: 'SASL_SSL', port: sasl },
      { name: 'BRIEF', port: brief },
      { name: 'SASL_PLAINTEXT', port: saslPlaintext },
    ],
    properties: {
      'listener.security.protocol.map':
        'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,MUTUAL:SSL,SASL_SSL:SASL_SSL,BRIEF:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': files.keystore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': files.ca,
      'listener.name.mutual.ssl.client.auth': 'required',
      ...saslProperties('sasl_ssl'),
      ...saslProperties('brief'),
      ...saslProperties('sasl_plaintext'),
      'listener.name.sasl_plaintext.sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512',
      ...Object.fromEntries(
        ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'].map((mechanism) => [
          `listener.name.brief.${mechanism}.connections.max.reauth.ms`,
          String(briefMs),
        ]),
      ),
    },
    formatArguments: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map(
      (mechanism) =>
        `--add-scram=${mechanism}=[name=${user.name},iterations=8192,password=${user.password}]`,
    ),
    secured: {
      ports: { ssl, mutual, sasl, brief, saslPlaintext },
      briefMs,
      user,
      ca: files.ca,
      otherCa: files.otherCa,
      cert: files.cert,
      key: files.key,
    },
  }
}

function saslProperties(listener: string): Readonly<Record<string, string>> {
  const at = `listener.name.${listener}`
  const modules = 'org.apache.kafka.common.security'
  const scram = `${modules}.scram.ScramLoginModule required;`
  return {
    [`${at}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    [`${at}.plain.sasl.jaas.config`]: `${modules}.plain.PlainLoginModule required user_${user.name}="${user.password}";`,
    [`${at}.scram-sha-256.sasl.jaas.config`]: scram,
    [`${at}.scram-sha-512.sasl.jaas.config`]: scram,
    [`${at}.oauthbearer.sasl.jaas.config`]: `${modules}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
  }
}

async function writeCertificates(directory: string) {
  const authority = await certificateAuthority('Headwater tests')
  const other = await certificateAuthority('Somebody else')
  const broker = await authority.sign('broker', { dns: ['localhost'] })
  const client = await authority.sign('alice')
  const write = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  return {
    ca: write('ca.pem', authority.ca),
    otherCa: write('other-ca.pem', other.ca),
    keystore: write('broker.pem', `${broker.key}\n${broker.cert}\n`),
    cert: write('client.pem', client.cert),
    key: write('client-key.pem', client.key),
  }
}
