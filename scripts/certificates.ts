/** Certificates for tests: an authority that nobody trusts, and what it signs, good for a day. */
import { webcrypto } from 'node:crypto'
import 'reflect-metadata'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  cryptoProvider,
  type JsonGeneralName,
} from '@peculiar/x509'

cryptoProvider.set(webcrypto)

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 24 * 60 * 60 * 1000

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  readonly ca: string
  /**
   * Signs a certificate.
   * @param o.dns names it is for, beside which it is for no address unless `ips` has some
   * @param o.isOver it was good yesterday
   */
  sign(
    name: string,
    o?: {
      readonly dns?: readonly string[]
      readonly ips?: readonly string[]
      readonly isOver?: boolean
    },
  ): Promise<Certificate>
}

/** Makes an authority of this name. */
export async function certificateAuthority(name: string): Promise<Authority> {
  const keys = await newKeys()
  const root = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    ...validity(false),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  })
  return {
    ca: root.toString('pem'),
    sign: async (subject, { dns = [], ips = [], isOver = false } = {}) => {
      const own = await newKeys()
      const names: JsonGeneralName[] = [
        ...dns.map((value) => ({ type: 'dns' as const, value })),
        ...ips.map((value) => ({ type: 'ip' as const, value })),
      ]
      const certificate = await X509CertificateGenerator.create({
        subject: `CN=${subject}`,
        issuer: root.subject,
        ...validity(isOver),
        signingAlgorithm: algorithm,
        signingKey: keys.privateKey,
        publicKey: own.publicKey,
        extensions: names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : [],
      })
      const key = await webcrypto.subtle.exportKey('pkcs8', own.privateKey)
      return { cert: certificate.toString('pem'), key: PemConverter.encode(key, 'PRIVATE KEY') }
    },
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

function validity(isOver: boolean) {
  const now = Date.now()
  const end = isOver ? now - dayMs : now + dayMs
  return { notBefore: new Date(end - 2 * dayMs), notAfter: new Date(end) }
}
