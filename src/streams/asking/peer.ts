/**
 * One instance of a service asks another for what that one holds.
 *
 * It asks once and no further: the question is marked (`hopHeader`), and who gets a marked one answers from what
 * it holds itself, so there are no loops. The mark says in which generation of which cluster's group the asker
 * stands, and what the view is to it. Who has not come that far refuses, as its partitions may be another's by
 * now, and so does who is of another cluster and only has the address, or of a version in which the view is
 * something else. Who answers gives the mark back: without it, it is a stranger who has the address now.
 *
 * What comes back is the answer of the partition's owner as it is, or a `not-ready` that says why there is
 * none: never "there is nothing", unless the owner says so.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { HttpAnswer, HttpAsk } from '../../io/ports.ts'
import { askInTrace } from '../tracing/questions.ts'
import type { PeerStats } from '../views/peer-counts.ts'
import type { Standing, ViewReader } from '../views/view-reader.ts'
import { answerBytesMax, readAnswer } from './ask.ts'
import type { Answer } from './ask.ts'

/** Marks what an instance asks another, and the answer: `<generation>;<cluster>;<signature of the view>`. */
export const hopHeader = 'headwater-hop'

/** How long an instance waits for the answer of another. */
const peerTimeoutMs = 5_000

/** Another instance, and the view it is asked for. */
export interface Peer {
  /** `host:port`. */
  readonly address: string
  readonly service: string
  readonly view: string
  /** Of who asks. */
  readonly standing: Standing
  /** What the view is to who asks; as in `ViewReader`. */
  readonly signature: string
  /** Told of each question and what came of it. */
  readonly count: (what: keyof PeerStats) => void
}

/** A view here, and whose it is. */
export interface Viewed {
  readonly service: string
  readonly view: string
  readonly reader: ViewReader
}

/** The instance at an address, to be asked for a view. Throws `not-ready`. */
export function peerAt(address: string, { service, view, reader }: Viewed): Peer {
  const { signature, peers } = reader
  const count = (what: keyof PeerStats): void => peers.count(address, what)
  return { address, service, view, standing: reader.standing(), signature, count }
}

/** What is to be the same, or at least as far, with who asks and who answers. */
type Mark = Standing & Pick<Peer, 'signature'>

/**
 * What only the owner of a partition can say, and says to whoever asks. That the question is a bad one is not among
 * it: who asks has looked at it by the same rules.
 */
const ownersWords: ReadonlySet<string> = new Set(['no-value', 'url-too-long', 'query-failed'])

interface PeerQuestion {
  /** Of a URL, without its question mark. */
  readonly query: string
  /** The media type that is wanted. */
  readonly accept: string
  /** How long the other instance may wait before it answers; it does not when left out. */
  readonly waitMs?: number
}

/** The owner's answer to the query of a URL. Rejects with `not-ready` when it has none. */
export async function askPeer(
  http: HttpAsk,
  peer: Peer,
  question: PeerQuestion,
): Promise<HttpAnswer & Answer> {
  peer.count('asked')
  try {
    const answer = await askOnce(http, peer, question)
    peer.count(answer.failure === undefined || isWord(answer.failure) ? 'answered' : 'refused')
    return answer
  } catch (error) {
    peer.count('refused')
    throw error
  }
}

async function askOnce(
  http: HttpAsk,
  peer: Peer,
  { query, accept, waitMs = 0 }: PeerQuestion,
): Promise<HttpAnswer & Answer> {
  const { address, service, view } = peer
  const path = `/v1/${encodeURIComponent(service)}/${encodeURIComponent(view)}`
  const url = `http://${address}${path}?${query}`
  const mark = writeHop({ ...peer.standing, signature: peer.signature })
  const headers = { accept, [hopHeader]: mark }
  const timeoutMs = peerTimeoutMs + waitMs
  const asked = askInTrace(http)(url, { headers, timeoutMs, bytesMax: answerBytesMax })
  const got = await asked.catch((error: unknown) => {
    // Who says more than an answer has will say so again.
    const mayPass = isHeadwaterError(error) && !isHeadwaterError(error, 'query-failed')
    throw mayPass ? unready(peer, error) : error
  })
  const answer = readAnswer(got, { url, accept })
  const { failure } = answer
  if (failure !== undefined && !ownersWords.has(failure.code)) throw unready(peer, failure.error)
  const saysWhatIsStored = failure === undefined || isWord(failure)
  if (saysWhatIsStored && got.headers.get(hopHeader) !== mark) throw unready(peer, stranger())
  return { ...got, ...answer }
}

/** Whether it says what is stored, although it is no value. */
function isWord({ code }: { readonly code: string }): boolean {
  return code === 'no-value'
}

function stranger(): HeadwaterError {
  return new HeadwaterError(
    'not-ready',
    'what answers there is no instance of the service: correct the address that one has told (queryAddress)',
  )
}

/** Why another instance has no answer: it passes once the group has told everyone who holds what. */
export function unready({ address, service }: Peer, cause: HeadwaterError): HeadwaterError {
  return new HeadwaterError(
    'not-ready',
    `the instance of service '${service}' at ${address} holds what was asked for and gives no answer now: ` +
      `ask again soon (${cause.message})`,
    { retriable: true, cause },
  )
}

function writeHop({ generation, cluster, signature }: Mark): string {
  return `${generation};${plainText(cluster)};${plainText(signature)}`
}

/** A text as a header can carry it, the same on both sides. */
function plainText(text: string): string {
  return encodeURIComponent(text)
}

/** What who asks says of itself, as `plainText`; undefined for what is no mark of this version. */
function readHop(text: string): Mark | undefined {
  const [, generation, cluster, signature] = /^(\d{1,15});([^;]*);([^;]*)$/.exec(text) ?? []
  if (generation === undefined || cluster === undefined || signature === undefined) return undefined
  return { generation: Number(generation), cluster, signature }
}

/** Why an instance, of which `own` is so, does not answer a marked question; undefined when it may. */
export function refusalOfHop(own: Mark, text: string): HeadwaterError | undefined {
  const asker = readHop(text)
  if (asker === undefined) return refuse(`'${text.slice(0, 40)}' is no mark of an instance`)
  if (asker.cluster !== plainText(own.cluster)) {
    return refuse(`it is of cluster '${own.cluster}', and the one that asks of '${asker.cluster}'`)
  }
  if (asker.signature !== plainText(own.signature)) {
    return refuse('it is of another version of the service, in which the view is something else')
  }
  if (asker.generation <= own.generation) return undefined
  return refuse(
    `it has not heard of generation ${asker.generation} of its group yet, only of ${own.generation}`,
  )
}

function refuse(why: string): HeadwaterError {
  return new HeadwaterError('not-ready', `this instance cannot answer for another: ${why}`, {
    retriable: true,
  })
}
