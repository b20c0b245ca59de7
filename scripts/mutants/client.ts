/** Mutants of the client: what keeps secrets in, and whoever is not a broker out. */
import type { Mutant } from './mutant.ts'

const scram = ['test/unit/client/security/scram.test.ts']
const signIn = ['test/unit/client/security/sign-in.test.ts']
const address = ['test/unit/client/security/kafka.test.ts']
const closing = ['test/unit/client/closing.test.ts']
const tls = ['test/unit/io/node-tls.test.ts']

export const client: readonly Mutant[] = [
  {
    name: 'iterationsMin of SCRAM',
    file: 'src/client/security/scram.ts',
    text: 'iterations < iterationsMin ||',
    instead: 'iterations < 1 ||',
    tests: scram,
  },
  {
    name: 'iterationsMax of SCRAM',
    file: 'src/client/security/scram.ts',
    text: '|| iterations > iterationsMax',
    instead: '|| iterations > Infinity',
    tests: scram,
  },
  {
    name: 'a broker that answers to another sign-in',
    file: 'src/client/security/scram.ts',
    text: '!nonce.startsWith(ours) ||',
    instead: 'ours.length < 0 ||',
    tests: scram,
  },
  {
    name: 'a broker that does not know the password',
    file: 'src/client/security/scram.ts',
    text: 'if (theirs.length !== signature.length || !timingSafeEqual(theirs, signature)) {',
    instead: 'if (theirs.length < 0) {',
    tests: scram,
  },
  {
    name: 'messagesMax of a sign-in',
    file: 'src/client/security/sasl.ts',
    text: 'sent < messagesMax',
    instead: 'sent < 10 * messagesMax',
    tests: signIn,
  },
  {
    name: 'a sign-in is renewed before it is over',
    file: 'src/client/security/sasl.ts',
    text: 'return lifetimeMs * (0.85 +',
    instead: 'return lifetimeMs * (8.5 +',
    tests: signIn,
  },
  {
    name: 'the time that a mechanism may take',
    file: 'src/client/security/sasl.ts',
    text: 'inTime(work, { clock, timeoutMs: leftMs, late, signal })',
    instead: 'inTime(work, { clock, timeoutMs: 10 ** 9, late, signal })',
    tests: signIn,
  },
  {
    name: 'a mechanism has one time for all its answers',
    file: 'src/client/security/sasl.ts',
    text: 'leftMs -= clock.monotonic() - from',
    instead: 'leftMs -= 0 * from',
    tests: signIn,
  },
  {
    name: 'a token that hangs is asked for anew',
    file: 'src/client/security/sasl.ts',
    text: "signal?.addEventListener('abort', () => drop(asked), { once: true })",
    instead: 'signal?.throwIfAborted()',
    tests: signIn,
  },
  {
    name: 'nothing is sent while the client signs in again',
    file: 'src/client/cluster/connection.ts',
    text: 'this.#pending.length < inFlightMax && !this.#isSigningIn',
    instead: 'this.#pending.length < inFlightMax',
    tests: signIn,
  },
  {
    name: 'closing ends a dial that hangs',
    file: 'src/client/cluster/connection.ts',
    text: 'late: () => undefined, signal }',
    instead: 'late: () => undefined }',
    tests: closing,
  },
  {
    name: 'closing ends a connection that opens',
    file: 'src/client/cluster/connection.ts',
    text: "signal?.addEventListener('abort', onAbort)",
    instead: '',
    tests: closing,
  },
  {
    name: 'closing ends a sign-in that hangs',
    file: 'src/client/cluster/connection.ts',
    text: 'this.#ended.abort(error)',
    instead: '',
    tests: closing,
  },
  {
    name: 'a token is used for a part of its time',
    file: 'src/client/security/sasl.ts',
    text: '(expiresAt - at) * tokenUse',
    instead: '(expiresAt - at) * 10',
    tests: signIn,
  },
  {
    name: 'what may be a password is not repeated as a parameter',
    file: 'src/client/security/connection-string.ts',
    text: "if (query?.includes('@') === true)",
    instead: "if (query?.includes('@@@') === true)",
    tests: address,
  },
  {
    name: 'what may be a password is not repeated as an address',
    file: 'src/client/security/connection-string.ts',
    text: 'throw wrong(`has a host or a port that is none${which}: ${form}`)',
    instead: 'throw wrong(`has a host or a port that is none: ${text}, ${which}: ${form}`)',
    tests: address,
  },
  {
    name: 'a key is not repeated as the path of a file',
    file: 'src/client/security/connection-string.ts',
    text: '/-----BEGIN|[\\r\\n]/.test(',
    instead: '/^$/.test(',
    tests: address,
  },
  {
    name: 'whom a certificate is for',
    file: 'src/io/node-tls.ts',
    text: 'checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),',
    instead: 'checkServerIdentity: () => undefined,',
    tests: tls,
  },
  {
    name: 'a file of authorities that holds none',
    file: 'src/io/node-tls.ts',
    text: "for (const each of ['ca', 'cert'] as const) checkCertificates(each, given[each])",
    instead: '',
    tests: tls,
  },
  {
    name: 'a place is held for a session since its group formed',
    file: 'src/client/group/place.ts',
    text: 'const isNews = holder.memberId !== heldBy || !isFormed',
    instead: 'const isNews = holder.memberId !== heldBy',
    tests: ['test/unit/client/place.test.ts'],
  },
]
