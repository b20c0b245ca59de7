/**
 * One connection to one broker: requests out, responses back in the same order.
 *
 * Requests are pipelined; a correlation id that does not match ends the connection, because everything
 * after it would be answered to the wrong caller. On opening, the version of every API is settled
 * (KIP-35, KIP-511): the highest that both sides know. A request that gets no answer in time also ends
 * the connection, as answers behind it would be late too; what was in flight fails as retriable
 * `connection-lost`, and whether the broker did it stays unknown. Retrying is the caller's.
 *
 * With `sasl` it signs in before anything else is sent, and again before what the broker said is over
 * (KIP-368): what is in flight then is still answered, and what comes meanwhile waits.
 *
 * Bound: `inFlightMax` requests; the others wait their turn in order, and only then does their time run.
 */
import { addressText } from '../../base/address.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { inTime } from '../../io/in-time.ts'
import type { Clock, Dial, Duplex, Random, Timer } from '../../io/ports.ts'
import type { ApiName, RequestInput, ResponseOf } from '../../protocol/api.ts'
import { apiByKey, apis } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import {
  decodeResponse,
  encodeRequest,
  frameBytesMaxDefault,
  FrameSplitter,
} from '../../protocol/frame.ts'
import type { Sasl } from '../security/sasl.ts'
import { signIn, signInAgainAfterMs } from '../security/sasl.ts'
import {
  closed,
  lost,
  notSignedInAgain,
  speaksTls,
  tlsPort,
  unreachable,
} from './connection-errors.ts'
import { wireError } from './wire-error.ts'

/** Brokers work on a few requests of a connection at a time: more would only grow old on the way. */
const inFlightMax = 100
const softwareName = 'headwater'
const softwareVersion = '0.1.0'

/** A request body; a function of the version where versions name things differently. */
export type Body<N extends ApiName> = RequestInput<N> | ((version: number) => RequestInput<N>)

export interface RequestOptions {
  /** How long one attempt may take; the connection's default when left out. */
  readonly timeoutMs?: number
  /** Use no newer version than this. */
  readonly versionMax?: number
}

export interface ConnectionOptions {
  readonly dial: Dial
  readonly clock: Clock
  readonly random: Random
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly requestTimeoutMs: number
  /** How to sign in; left out where nobody is asked. */
  readonly sasl?: Sasl | undefined
  /** The cluster named this address; nobody gave it. */
  readonly isLearnt?: boolean
  /** Closes it, also while it opens: aborted with the error for whoever waits. */
  readonly signal?: AbortSignal
}

interface Waiting {
  readonly api: ApiName
  readonly version: number
  readonly body: RequestInput<ApiName>
  readonly timeoutMs: number
  readonly resolve: (response: never) => void
  readonly reject: (error: unknown) => void
}

interface Pending extends Waiting {
  readonly correlationId: number
  readonly timer: Timer
}

export class Connection {
  readonly address: string
  readonly #options: ConnectionOptions
  readonly #duplex: Duplex
  readonly #splitter = new FrameSplitter(frameBytesMaxDefault)
  readonly #pending: Pending[] = []
  /** Requests for which there is no room yet. */
  readonly #waiting: Waiting[] = []
  readonly #versions = new Map<ApiName, readonly [min: number, max: number]>()
  readonly #features = new Map<string, number>()
  #nextCorrelationId = 0
  #answers = 0
  #isSigningIn = false
  /** Aborted with the failure. */
  readonly #ended = new AbortController()
  #nextSignIn: Timer | undefined
  #failure: HeadwaterError | undefined

  private constructor(options: ConnectionOptions, duplex: Duplex) {
    this.#options = options
    this.#duplex = duplex
    this.address = addressText(options)
    duplex.onBytes((chunk) => this.#receive(chunk))
    duplex.onClose((cause) => this.#fail(this.#lost(cause)))
  }

  /**
   * Dials, settles versions and signs in. `connection-failed` (retriable) names the address; `broker-closed`
   * when it was a broker of this process; `tls-failed` and `authentication-failed` are for good.
   */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options, await dialInTime(options))
    const { signal } = options
    const onAbort = (): void => connection.#fail(signal?.reason)
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort)
    try {
      await connection.#settleVersions()
      await connection.#signIn()
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  get isClosed(): boolean {
    return this.#failure !== undefined
  }

  /** The level of a feature the cluster has finalised (KIP-584); 0 when it has not. */
  featureLevel(feature: string): number {
    return this.#features.get(feature) ?? 0
  }

  /** The version used for `api`: the highest that both sides know. `unsupported-version` when there is none. */
  versionOf(api: ApiName, versionMax: number = Infinity): number {
    const [oursMin, oursMax] = apis[api].versions
    const [theirsMin, theirsMax] = this.#versions.get(api) ?? [0, -1]
    const version = Math.min(oursMax, theirsMax, versionMax)
    if (version >= oursMin && version >= theirsMin) return version
    throw new HeadwaterError(
      'unsupported-version',
      `the broker at ${this.address} offers ${theirsMax < 0 ? 'no' : `versions ${theirsMin} to ${theirsMax} of`} ${api}, this client speaks ${oursMin} to ${Math.min(oursMax, versionMax)}: use Apache Kafka 3.5 or newer, or a matching Headwater`,
    )
  }

  /** Sends one request. Rejects with `timeout` or `connection-lost` (both retriable), or `protocol-error`. */
  request<N extends ApiName>(
    api: N,
    body: Body<N>,
    o: RequestOptions = {},
  ): Promise<ResponseOf<N>> {
    const version = this.versionOf(api, o.versionMax)
    const content = typeof body === 'function' ? body(version) : body
    return this.#send(api, version, content, o.timeoutMs ?? this.#options.requestTimeoutMs)
  }

  close(): void {
    this.#fail(closed(this.address))
  }

  #send<N extends ApiName>(
    api: N,
    version: number,
    body: RequestInput<N>,
    timeoutMs: number,
  ): Promise<ResponseOf<N>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ api, version, body, timeoutMs, resolve, reject })
      this.#sendWaiting()
    })
  }

  #sendWaiting(): void {
    while (this.#pending.length < inFlightMax && !this.#isSigningIn) {
      const request = this.#waiting.shift()
      if (request === undefined) return
      this.#sendNow(request)
    }
  }

  #sendNow(request: Waiting): void {
    const { api, version, body, timeoutMs, reject } = request
    const correlationId = this.#nextCorrelationId
    let chunks: readonly Uint8Array[]
    try {
      chunks = encodeRequest(api, version, correlationId, this.#options.clientId, body)
    } catch (error) {
      return reject(error)
    }
    this.#nextCorrelationId = (correlationId + 1) & 0x7fffffff
    const timer = this.#options.clock.after(timeoutMs, () => this.#timeOut(api, timeoutMs))
    this.#pending.push({ ...request, correlationId, timer })
    // What `write` says of a slow peer is not needed: what is in flight is bounded.
    this.#duplex.write(chunks)
  }

  #receive(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return
    if (this.#answers === 0 && speaksTls(chunk)) return this.#fail(tlsPort(this.address))
    try {
      for (const frame of this.#splitter.push(chunk)) this.#answer(frame)
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      this.#fail(
        new HeadwaterError(
          'connection-lost',
          `the broker at ${this.address} sent what is not Kafka's protocol: ${text}; check that this is a broker's plain-text port`,
          { retriable: true, cause },
        ),
      )
    }
  }

  #answer(frame: Uint8Array): void {
    const request = this.#pending[0]
    if (request === undefined) throw new HeadwaterError('frame-invalid', 'an answer to no request')
    const { correlationId, body } = decodeResponse(
      request.api,
      answeredVersion(request, frame),
      frame,
    )
    if (correlationId !== request.correlationId) {
      throw new HeadwaterError('frame-invalid', 'an answer to another request')
    }
    this.#pending.shift()
    this.#answers++
    request.timer.cancel()
    request.resolve(body as never)
    this.#sendWaiting()
  }

  #timeOut(api: ApiName, timeoutMs: number): void {
    this.#fail(
      new HeadwaterError(
        'timeout',
        `the broker at ${this.address} did not answer ${api} within ${timeoutMs} ms: it is overloaded or gone`,
        { retriable: true },
      ),
    )
  }

  #fail(error: HeadwaterError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#nextSignIn?.cancel()
    this.#ended.abort(error)
    this.#duplex.destroy()
    for (const { timer, reject } of this.#pending.splice(0)) {
      timer.cancel()
      reject(error)
    }
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #lost(cause: Error | undefined): HeadwaterError {
    const { isEncrypted = false } = this.#duplex
    const { address } = this
    const isSignedIn = this.#options.sasl !== undefined
    return lost({ address, cause, answers: this.#answers, isEncrypted, isSignedIn })
  }

  /** Signs in where that is wanted, and sees to it that it is done again in time. */
  async #signIn(): Promise<void> {
    const { sasl, random, clock, requestTimeoutMs: timeoutMs } = this.#options
    if (sasl === undefined) return
    const { address } = this
    this.#isSigningIn = true
    const lifetimeMs = await signIn({
      sasl,
      random,
      address,
      clock,
      timeoutMs,
      signal: this.#ended.signal,
      ask: (api, body) => this.#askNow(api, body, timeoutMs),
    })
    this.#isSigningIn = false
    this.#sendWaiting()
    if (lifetimeMs <= 0 || this.#failure !== undefined) return
    const delayMs = signInAgainAfterMs(lifetimeMs, random)
    this.#nextSignIn = clock.after(delayMs, () => {
      this.#signIn().catch((error: unknown) => this.#fail(notSignedInAgain(address, error)))
    })
  }

  /** Ahead of all that waits. */
  #askNow<N extends 'SaslHandshake' | 'SaslAuthenticate'>(
    api: N,
    body: RequestInput<N>,
    timeoutMs: number,
  ): Promise<ResponseOf<N>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const version = this.versionOf(api)
    return new Promise((resolve, reject) => {
      this.#sendNow({ api, version, body, timeoutMs, resolve, reject })
    })
  }

  async #settleVersions(): Promise<void> {
    const newest = apis.ApiVersions.versions[1]
    let response = await this.#askVersions(newest)
    if (response.errorCode === ErrorCode.UNSUPPORTED_VERSION) {
      const offered = response.apiKeys.find(({ apiKey }) => apiKey === apis.ApiVersions.key)
      response = await this.#askVersions(Math.min(newest, offered?.maxVersion ?? 0))
    }
    if (response.errorCode !== ErrorCode.NONE) {
      throw wireError(response.errorCode, `settle API versions with ${this.address}`)
    }
    for (const { apiKey, minVersion, maxVersion } of response.apiKeys) {
      const api = apiByKey(apiKey)
      if (api !== undefined) this.#versions.set(api, [minVersion, maxVersion])
    }
    for (const { name, maxVersionLevel } of response.finalizedFeatures) {
      this.#features.set(name, maxVersionLevel)
    }
  }

  #askVersions(version: number): Promise<ResponseOf<'ApiVersions'>> {
    const body = {
      clientSoftwareName: softwareName,
      clientSoftwareVersion: softwareVersion,
    }
    return this.#send(
      'ApiVersions',
      version,
      version >= 3 ? body : {},
      this.#options.requestTimeoutMs,
    )
  }
}

async function dialInTime(o: ConnectionOptions): Promise<Duplex> {
  const { clock, requestTimeoutMs: timeoutMs, signal } = o
  const dialled = o.dial(o.host, o.port)
  // A connection that comes up after we gave up belongs to nobody.
  let gaveUp = false
  dialled.then(
    (duplex) => gaveUp && duplex.destroy(),
    () => undefined,
  )
  try {
    return await inTime(dialled, { clock, timeoutMs, late: () => undefined, signal })
  } catch (cause) {
    gaveUp = true
    throw signal?.aborted === true ? signal.reason : unreachable(o, cause)
  }
}

/** A broker that does not know our version of ApiVersions answers in version 0, with error 35. */
function answeredVersion(request: Pending, frame: Uint8Array): number {
  if (request.api !== 'ApiVersions' || frame.length < 6) return request.version
  const errorCode = (frame[4]! << 8) | frame[5]!
  return errorCode === ErrorCode.UNSUPPORTED_VERSION ? 0 : request.version
}
