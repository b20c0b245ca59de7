/**
 * HTTP as a port, on Node's server behind Hono's adapter to `Request` and `Response`. What is no request that
 * could be handed on is answered here, in the form of every other error: `{ "error": { "code", "message" } }`.
 */
import { createServer, STATUS_CODES } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import { nodeHttpAsk } from './node-http-ask.ts'
import { listenError } from './node-network.ts'
import type { Http } from './ports.ts'

/** Bytes of a request before its body: what a URL may have (`urlCharsMax`), and some room for headers. */
const headBytesMax = 80 * 1024
/** Connections at once; more are closed as they come. */
const connectionsMax = 1_024
/** Requests that wait on one connection for the answers before theirs: each is some kilobytes here, and few there. */
const pipelinedMax = 256
/** How long a client may take none of its answer, and send nothing. */
const stallMs = 60_000

export const nodeHttp: Http = {
  listen: async (host, port, answer, stallMsMax = stallMs) => {
    const listener = getRequestListener((request) => answer(request), { errorHandler: errorAnswer })
    const inTurn = oneAtATime()
    const server = createServer({ maxHeaderSize: headBytesMax }, (request, response) => {
      if (isNoUrl(request.url)) return refuseUrl(response)
      inTurn(request, response, () => void listener(request, response))
    })
    server.maxConnections = connectionsMax
    server.timeout = stallMsMax
    server.on('clientError', answerClientError)
    await new Promise<void>((resolve, reject) => {
      // Also later: a connection that could not be accepted, for want of descriptors, ends nobody else.
      server.on('error', (error) => reject(listenError(error, host, port)))
      server.listen(port, host, resolve)
    })
    return { host, port: boundPort(server, port), close: () => closeServer(server) }
  },
  ask: nodeHttpAsk,
}

/** The requests of a connection. */
interface Line {
  /** Resolves when the answer to the last one has left. */
  last: Promise<void>
  open: number
}

/**
 * Answers the next request of a connection when the last answer has left: a client that sends a hundred at
 * once and reads nothing has one of them made. One that goes on sending is closed: an answer may have no end.
 */
function oneAtATime() {
  const lines = new WeakMap<Duplex, Line>()
  return ({ socket }: IncomingMessage, response: ServerResponse, answer: () => void): void => {
    const line = lines.get(socket) ?? { last: Promise.resolve(), open: 0 }
    lines.set(socket, line)
    if (line.open > pipelinedMax) return void socket.destroy()
    const before = line.open++ > 0 ? line.last : undefined
    line.last = new Promise((resolve) => {
      response.once('close', () => {
        line.open--
        resolve()
      })
    })
    if (before === undefined) return answer()
    void before.then(() => {
      if (!socket.destroyed) answer()
    })
  }
}

/** Characters that a URL cannot have: something on the way would guess at what they mean. */
function isNoUrl(url = ''): boolean {
  return /[^\x21-\x7e]|#/.test(url)
}

function refuseUrl(response: ServerResponse): void {
  const why = 'the URL has characters that are not percent-encoded: write é as %C3%A9 and # as %23'
  response.writeHead(400, { 'content-type': jsonType }).end(errorBody('bad-request', why))
}

function boundPort(server: Server, asked: number): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : asked
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function errorAnswer(error: unknown): Response {
  const message = error instanceof Error ? error.message : String(error)
  const isClients = error instanceof RequestError
  const body = errorBody(isClients ? 'bad-request' : 'query-failed', message)
  const headers = { 'content-type': jsonType }
  return new Response(body, { status: isClients ? 400 : 500, headers })
}

const jsonType = 'application/json; charset=utf-8'

function errorBody(code: string, message: string): string {
  return `${JSON.stringify({ error: { code, message } }, null, 2)}\n`
}

/** How long a client that is told what was wrong may go on sending: closing at once would take it the answer. */
const lingerMs = 1_000

/** What Node's parser does not take as a request. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET') return void socket.destroy()
  // What comes behind it is no request either.
  if (!socket.writable) return
  setTimeout(() => socket.destroy(), lingerMs).unref()
  const [status, code, message] = refusalOf(error.code)
  const body = errorBody(code, message)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      `Content-Type: ${jsonType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  )
}

function refusalOf(code: string | undefined): readonly [status: number, code: string, why: string] {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return [431, 'url-too-long', `URL and headers are longer than ${headBytesMax} bytes together`]
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'timeout', 'the request came too slowly']
  return [400, 'bad-request', `this is no HTTP request (${code ?? 'unknown'})`]
}
