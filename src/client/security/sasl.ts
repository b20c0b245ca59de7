/**
 * SASL as Kafka carries it: the client names a mechanism (SaslHandshake), and then the messages of that
 * mechanism go to and fro (SaslAuthenticate) until both sides have said enough (KIP-43, KIP-152).
 *
 * A refusal is for good: trying again brings the same answer, and may lock an account. What a mechanism needs
 * from outside (a token, a file) may fail for a while; that is told as a broker that is away.
 *
 * No secret is in an error, and none can be printed: mechanisms keep theirs where `inspect` does not look.
 */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { inTime } from '../../io/in-time.ts'
import type { Clock, Random } from '../../io/ports.ts'
import type { RequestInput, ResponseOf } from '../../protocol/api.ts'
import { ErrorCode, errorName, errorText, isRetriable } from '../../protocol/errors.ts'

export type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'

/** How a client proves who it is, as often as it is asked to. */
export interface Sasl {
  readonly mechanism: SaslMechanism
  /** Whom it says it is; undefined when only its token knows. */
  readonly username: string | undefined
  /**
   * Begins to sign in. Rejects when what it needs from outside cannot be had now.
   *
   * @param signal aborted when nobody waits for it any longer
   */
  begin(random: Random, signal?: AbortSignal): Promise<SaslExchange>
}

/** The messages of one sign-in, from the client's side. */
export interface SaslExchange {
  readonly first: Uint8Array
  /** What is said to the broker's message; undefined when there is no more to say. */
  answer(challenge: Uint8Array): Promise<Uint8Array | undefined>
}

/** A mechanism found the broker's message wrong: the text says what, and what to do. */
export class SaslRefusal extends Error {
  override readonly name = 'SaslRefusal'
}

type SaslApi = 'SaslHandshake' | 'SaslAuthenticate'

export interface SignInOptions {
  readonly sasl: Sasl
  readonly random: Random
  readonly clock: Clock
  /** How long the mechanism may take in all; what the broker takes is apart, and `ask` bounds it. */
  readonly timeoutMs: number
  /** Ends it at once, with its reason. */
  readonly signal: AbortSignal
  /** The broker's, for people. */
  readonly address: string
  readonly ask: <N extends SaslApi>(api: N, body: RequestInput<N>) => Promise<ResponseOf<N>>
}

/** No mechanism here needs more; a broker that goes on asking is none. */
const messagesMax = 4

/**
 * Signs in, and returns for how many milliseconds that holds; 0 for as long as the connection lives.
 * `authentication-failed`, for good, when the broker refuses or is not who it must be; `connection-failed`,
 * retriable, when a token or a password cannot be had, or not in time.
 */
export async function signIn(o: SignInOptions): Promise<number> {
  const { sasl, address, ask } = o
  const { errorCode, mechanisms } = await ask('SaslHandshake', { mechanism: sasl.mechanism })
  if (errorCode !== ErrorCode.NONE) throw notOffered(o, errorCode, mechanisms)
  const own = ownTime(o)
  const over = new AbortController()
  const exchange = await own(begin(o, over.signal), `${sourceOf(sasl)} gave nothing`).finally(() =>
    over.abort(),
  )
  let message: Uint8Array | undefined = exchange.first
  for (let sent = 0; sent < messagesMax; sent++) {
    const response: ResponseOf<'SaslAuthenticate'> = await ask('SaslAuthenticate', {
      authBytes: message,
    })
    if (response.errorCode !== ErrorCode.NONE) throw refused(o, mechanisms, response)
    try {
      message = await own(exchange.answer(response.authBytes), 'the mechanism found no answer')
    } catch (error) {
      if (!(error instanceof SaslRefusal)) throw error
      throw failed(`could not sign in to the broker at ${address}${by(sasl)}: ${error.message}`)
    }
    if (message === undefined) return response.sessionLifetimeMs
  }
  throw failed(`the broker at ${address} asks on and on${by(sasl)}: is it a Kafka broker?`)
}

/** Bounds all that a mechanism does in one sign-in: it may wait for what never comes. */
function ownTime({ sasl, clock, timeoutMs, signal, address }: SignInOptions) {
  let leftMs = timeoutMs
  return async <T>(work: Promise<T>, what: string): Promise<T> => {
    const late = (): HeadwaterError =>
      new HeadwaterError(
        'connection-failed',
        `could not sign in to the broker at ${address}${by(sasl)}: ${what} within ${timeoutMs} ms: have it answer or fail sooner; it is asked again`,
        { retriable: true },
      )
    const from = clock.monotonic()
    try {
      return await inTime(work, { clock, timeoutMs: leftMs, late, signal })
    } finally {
      leftMs -= clock.monotonic() - from
    }
  }
}

function sourceOf({ mechanism }: Sasl): string {
  return mechanism === 'OAUTHBEARER' ? 'the token provider' : 'the password function'
}

async function begin(
  { sasl, random, address }: SignInOptions,
  signal: AbortSignal,
): Promise<SaslExchange> {
  try {
    return await sasl.begin(random, signal)
  } catch (cause) {
    // A file that is not there, or a password that nobody may have.
    if (isHeadwaterError(cause) && !cause.retriable) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new HeadwaterError(
      'connection-failed',
      `could not sign in to the broker at ${address}${by(sasl)}: ${sourceOf(sasl)} failed: ${why}; it is asked again`,
      { retriable: true, cause },
    )
  }
}

/** When to sign in anew: at 85 to 95 % of the time, at random, so that not all do it at once (KIP-368). */
export function signInAgainAfterMs(lifetimeMs: number, random: Random): number {
  return lifetimeMs * (0.85 + (random.bytes(1)[0]! / 255) * 0.1)
}

function by({ mechanism, username }: Sasl): string {
  return username === undefined ? ` by ${mechanism}` : ` as ${userText(username)} by ${mechanism}`
}

/** A user for people. Behind a colon in it there may be a password, where somebody escaped too much. */
export function userText(username: string): string {
  return username.includes(':') ? 'the user' : `'${username}'`
}

function failed(text: string): HeadwaterError {
  return new HeadwaterError('authentication-failed', text)
}

function notOffered(
  { sasl, address }: SignInOptions,
  errorCode: number,
  mechanisms: readonly string[],
): HeadwaterError {
  if (errorCode === ErrorCode.ILLEGAL_SASL_STATE) {
    return failed(
      `the broker at ${address} does not ask who its clients are on this port, so nobody can sign in there by ${sasl.mechanism}: leave out user and sasl, or name its port with SASL`,
    )
  }
  if (errorCode !== ErrorCode.UNSUPPORTED_SASL_MECHANISM) {
    return failed(
      `could not sign in to the broker at ${address}${by(sasl)}: ${errorText(errorCode)} (${errorName(errorCode)})`,
    )
  }
  return failed(
    `the broker at ${address} does not take ${sasl.mechanism}; it offers ${offer(mechanisms)}: choose one of those, as in ?sasl=${mechanisms[0]?.toLowerCase() ?? 'scram-sha-512'}, or have the broker's sasl.enabled.mechanisms name ${sasl.mechanism}`,
  )
}

function offer(mechanisms: readonly string[]): string {
  return mechanisms.length === 0 ? 'none' : mechanisms.join(', ')
}

function refused(
  { sasl, address }: SignInOptions,
  mechanisms: readonly string[],
  { errorCode, errorMessage }: ResponseOf<'SaslAuthenticate'>,
): HeadwaterError {
  const said = errorMessage ?? errorText(errorCode)
  return new HeadwaterError(
    'authentication-failed',
    `the broker at ${address} does not let this client in${by(sasl)}: ${said} (${errorName(errorCode)}); it offers ${offer(mechanisms)}: ${fixes[sasl.mechanism]}`,
    { retriable: isRetriable(errorCode) },
  )
}

const passwordFix =
  'correct the user or the password, and make sure that the broker knows the user for this mechanism'
const fixes: Readonly<Record<SaslMechanism, string>> = {
  PLAIN: passwordFix,
  'SCRAM-SHA-256': passwordFix,
  'SCRAM-SHA-512': passwordFix,
  OAUTHBEARER: 'get a token that the broker accepts: check its issuer, audience, scope and time',
}

/** `PLAIN` · RFC 4616: user and password as they are, so only over TLS or where nobody listens. */
export function plain(username: string, password: () => string | Promise<string>): Sasl {
  return {
    mechanism: 'PLAIN',
    username,
    begin: async () => ({
      first: utf8Bytes(`\0${username}\0${await password()}`),
      answer: async () => undefined,
    }),
  }
}

/** A token, and until when it is good; without that it is asked for at every sign-in. */
export interface OAuthToken {
  readonly value: string
  /** Milliseconds since 1970. */
  readonly expiresAt?: number
  /** Extensions of the mechanism (KIP-342), as some clouds want them: `logicalCluster` and the like. */
  readonly extensions?: Readonly<Record<string, string>>
}

/** Gives a token whenever one is needed: a text is a token whose end nobody knows. */
export type TokenProvider = () => OAuthToken | string | Promise<OAuthToken | string>

/** A token is used for this part of its time, and then a new one is asked for. */
const tokenUse = 0.8

/** `OAUTHBEARER` · RFC 7628 (KIP-255). @param now milliseconds since 1970 */
export function oauthBearer(provider: TokenProvider, now: () => number): Sasl {
  const token = keptToken(provider, now)
  return {
    mechanism: 'OAUTHBEARER',
    username: undefined,
    begin: async (_, signal) => {
      const { value, extensions = {} } = await token(signal)
      let reason: string | undefined
      const pairs = Object.entries({ auth: `Bearer ${value}`, ...extensions })
      const fields = pairs.map(([name, text]) => `${name}=${text}\x01`).join('')
      return {
        first: utf8Bytes(`n,,\x01${fields}\x01`),
        answer: async (challenge) => {
          if (challenge.length === 0) return undefined
          if (reason !== undefined) throw new SaslRefusal(refusedToken(reason))
          // The reason is in the challenge; the refusal itself comes in answer to this.
          reason = utf8String(challenge)
          return Uint8Array.of(1)
        },
      }
    },
  }
}

function refusedToken(reason: string): string {
  return `the token is refused (${reason}): ${fixes.OAUTHBEARER}`
}

/**
 * Asks for a token once for all who sign in at the same time, and again when most of its time is over. An
 * answer that one of them no longer waits for is shared with nobody else: it may never come.
 */
function keptToken(
  provider: TokenProvider,
  now: () => number,
): (signal?: AbortSignal) => Promise<OAuthToken> {
  let kept: { readonly token: OAuthToken; readonly until: number } | undefined
  let asking: Promise<OAuthToken> | undefined
  const keep = (token: OAuthToken): void => {
    const { expiresAt } = token
    const at = now()
    kept = expiresAt === undefined ? undefined : { token, until: at + (expiresAt - at) * tokenUse }
  }
  const drop = (asked: Promise<OAuthToken>): void => {
    if (asking === asked) asking = undefined
  }
  const ask = (): Promise<OAuthToken> => {
    const asked: Promise<OAuthToken> = askFor(provider)
      .then((token) => {
        if (asking === asked) keep(token)
        return token
      })
      .finally(() => drop(asked))
    return asked
  }
  return (signal) => {
    if (kept !== undefined && now() < kept.until) return Promise.resolve(kept.token)
    const asked = (asking ??= ask())
    signal?.addEventListener('abort', () => drop(asked), { once: true })
    return asked
  }
}

async function askFor(provider: TokenProvider): Promise<OAuthToken> {
  const given = await provider()
  const token = typeof given === 'string' ? { value: given } : given
  if (typeof token?.value !== 'string' || !tokenPattern.test(token.value)) {
    throw new Error('what it gave is no bearer token (RFC 6750)')
  }
  return token
}

const tokenPattern = /^[\w\-.~+/]+=*$/
