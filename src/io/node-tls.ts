/**
 * TLS as a `Dial`, on `node:tls`: the connections of `node-network.ts`, encrypted.
 *
 * A certificate is always checked, and so is whom it is for. What fails for good (a certificate that is
 * refused, here or there, or an end that does not speak TLS) is `tls-failed`, and says which and what helps;
 * what may pass is `connection-failed`, as without TLS.
 */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls'
import { addressText } from '../base/address.ts'
import { HeadwaterError } from '../base/errors.ts'
import { connected, refused } from './node-network.ts'
import type { Dial, TlsOptions } from './ports.ts'

/** Dials over TLS. Throws `config-invalid` when a certificate or key is none, or the two are not a pair. */
export function nodeTls(options: TlsOptions): Dial {
  const secureContext = contextOf(options)
  return (host, port) => {
    const name = options.servername ?? host
    const end: End = { address: addressText({ host, port }), name, options }
    const socket = connect({
      host,
      port,
      secureContext,
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
      rejectUnauthorized: true,
      // An address is no name of a server (RFC 6066), but its certificate may be for one.
      servername: isIP(name) === 0 ? name : '',
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true)
    let isReached = false
    socket.once('connect', () => (isReached = true))
    const refuse = (reason: string, cause?: NodeJS.ErrnoException): Error => {
      if (!isReached) return refused(host, port, reason, cause)
      return (cause && ofHandshake(cause, end)) ?? cutShort(reason, end, cause)
    }
    return connected(socket, 'secureConnect', refuse, (error) => ofAlert(error, end) ?? error)
  }
}

/** The other end of a connection, for the words of an error. */
interface End {
  readonly address: string
  /** Whom its certificate must be for. */
  readonly name: string
  readonly options: TlsOptions
}

function contextOf({ ca, cert, key, passphrase }: TlsOptions): SecureContext {
  const given = { ca, cert, key, passphrase }
  for (const each of ['ca', 'cert'] as const) checkCertificates(each, given[each])
  try {
    return createSecureContext({ minVersion: 'TLSv1.2', ...given })
  } catch (cause) {
    const { code, reason } = cause as { code?: string; reason?: string }
    throw new HeadwaterError(
      'config-invalid',
      `certificates or key cannot be used (${reason ?? code ?? 'unreadable'}): cert and key must be of one pair, and a key with a password needs it`,
      { cause },
    )
  }
}

/** Node passes over what is no certificate among authorities, and then trusts fewer than were named. */
function checkCertificates(name: string, text: string | undefined): void {
  if (text === undefined) return
  const found = text.match(certificatePattern) ?? []
  try {
    for (const each of found) new X509Certificate(each)
    if (found.length > 0) return
  } catch {
    // Said below: which of them it is would not help.
  }
  throw new HeadwaterError(
    'config-invalid',
    `${name} holds no certificate in PEM, or one that cannot be read: it should be lines between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----`,
  )
}

const certificatePattern =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g

/** What went wrong while both ends were getting to know each other; undefined when it may pass. */
function ofHandshake(error: NodeJS.ErrnoException, end: End): HeadwaterError | undefined {
  const code = error.code ?? ''
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return wrongName(error, end)
  if (certificateCodes.test(code)) return untrusted(error, end)
  if (notTlsCodes.test(code)) {
    return failed(
      `the broker at ${end.address} does not speak TLS on this port (${code}): write kafka:// for plain text, or name its TLS port`,
      error,
    )
  }
  return ofAlert(error, end)
}

const certificateCodes =
  /^(?:CERT_|CRL_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_|PATH_LENGTH|ERROR_IN_CERT|HOSTNAME_)/
const notTlsCodes =
  /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|BAD_RECORD_TYPE|RECORD_LAYER_FAILURE)$/

function failed(text: string, cause: unknown): HeadwaterError {
  return new HeadwaterError('tls-failed', text, { cause })
}

function wrongName(error: Error, { address, name }: End): HeadwaterError {
  const { cert } = error as { cert?: PeerCertificate }
  const names = cert?.subjectaltname ?? cert?.subject?.CN?.toString() ?? 'nobody'
  return failed(
    `the certificate of the broker at ${address} is for ${names}, and not for '${name}': dial the broker by a name of the certificate, or say with servername= which one is meant`,
    error,
  )
}

function untrusted(error: NodeJS.ErrnoException, { address, options }: End): HeadwaterError {
  const code = error.code!
  const fix =
    timeFixes[code] ??
    (options.ca === undefined
      ? 'name the file of the authority that signed it with ca='
      : 'it is not signed by the authority that ca= names: name the right one')
  // Node advises its own flags behind a semicolon.
  const [why] = error.message.split(';')
  return failed(
    `the certificate of the broker at ${address} is refused: ${why} (${code}); ${fix}`,
    error,
  )
}

const timeFixes: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'renew it, and see that the clock of this machine is right',
  CERT_NOT_YET_VALID: 'see that the clocks of both machines are right',
}

/** The other end said why it hangs up: in TLS 1.3 that may come after the handshake, as far as we can tell. */
function ofAlert(error: NodeJS.ErrnoException, end: End): HeadwaterError | undefined {
  const [, alert] = alertCodes.exec(error.code ?? '') ?? []
  if (alert === undefined) return undefined
  const words = alert.toLowerCase().replaceAll('_', ' ')
  const fix =
    end.options.cert === undefined
      ? 'it may ask for a certificate of the client: give one with cert= and key='
      : 'the certificate that cert= names is not one that it trusts, or is over'
  return failed(`the broker at ${end.address} refuses this client in TLS (${words}): ${fix}`, error)
}

const alertCodes =
  /^ERR_SSL_(?:(?:SSL|TLS)V\d+_|SSL\/TLS_)?ALERT_(BAD_CERTIFICATE|CERTIFICATE_\w+|NO_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|UNRECOGNIZED_NAME|ACCESS_DENIED|HANDSHAKE_FAILURE|PROTOCOL_VERSION|INSUFFICIENT_SECURITY)$/

/** Ended in the middle without a word: what a plain-text port does, and a broker that is just stopping. */
function cutShort(reason: string, { address, options }: End, cause: unknown): HeadwaterError {
  const orElse =
    options.cert === undefined
      ? 'otherwise it may be restarting, or ask for a certificate of the client, which is given with cert= and key='
      : 'otherwise it may be restarting, or not trust the certificate that cert= names'
  return new HeadwaterError(
    'connection-failed',
    `the broker at ${address} ended the TLS handshake without a word (${reason}): if this is a plain-text port, write kafka:// or name its TLS port; ${orElse}`,
    { retriable: true, cause },
  )
}
