/**
 * One real Apache Kafka node on loopback: a KRaft broker and controller in one process, on free ports,
 * in a directory of its own that is removed afterwards.
 *
 * As a command, `node scripts/kafka.ts [--secured] [property=value …]` runs it until Ctrl-C. As a library,
 * `startKafka` gives its port and a way to stop it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { concatBytes } from '../src/base/bytes.ts'
import type { ApiName, RequestInput, ResponseOf } from '../src/protocol/api.ts'
import { decodeResponse, encodeRequest, FrameSplitter } from '../src/protocol/frame.ts'
import { java, kafkaJars, kafkaVersion, logOption } from './kafka/jars.ts'
import { makeSecurity, securedPortCount, type Secured, type Security } from './kafka/secured.ts'

const readyTimeoutMs = 120_000
const stopTimeoutMs = 20_000
const requestTimeoutMs = 5_000

export interface KafkaNode {
  readonly port: number
  readonly pid: number
  /** The directory of its jars. */
  readonly jars: string
  /** Its listeners with TLS and SASL, where they were asked for. */
  readonly secured: Secured | undefined
  /** Milliseconds from start to the first metadata with a broker in it. */
  readonly readyMs: number
  stop(): Promise<void>
}

export interface KafkaOptions {
  /** Broker properties on top of, or instead of, the ones every node here has. */
  readonly properties?: Readonly<Record<string, string>>
  /** With listeners that speak TLS and SASL beside the plain one. */
  readonly isSecured?: boolean
}

/** Starts a node and returns when it answers. It ends with this process at the latest. */
export async function startKafka(o: KafkaOptions = {}): Promise<KafkaNode> {
  const jars = await kafkaJars()
  const [port, controllerPort, ...more] = await freePorts(2 + (o.isSecured ? securedPortCount : 0))
  const directory = mkdtempSync(join(tmpdir(), 'kafka-'))
  const config = join(directory, 'server.properties')
  const security = o.isSecured ? await makeSecurity(directory, more) : undefined
  const properties = {
    ...nodeProperties(port!, controllerPort!, directory, security),
    ...o.properties,
  }
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(config, lines.join(''))
  const output = join(directory, 'output.txt')
  // One in 64 ids begins with a dash, and would be taken for an option.
  const id = `--cluster-id=${randomBytes(16).toString('base64url')}`
  const format = [id, '-c', config, ...(security?.formatArguments ?? [])]
  let child: ChildProcess | undefined
  const endWithUs = () => {
    child?.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  process.on('exit', endWithUs)
  const stop = async () => {
    if (child) await stopChild(child)
    process.off('exit', endWithUs)
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    child = startJava(jars, output, ['kafka.tools.StorageTool', 'format', ...format])
    await succeeded(child)
    const started = performance.now()
    child = startJava(jars, output, ['-Xms512m', '-Xmx1g', 'kafka.Kafka', config])
    await untilReady(port!, child)
    const readyMs = performance.now() - started
    return { port: port!, pid: child.pid!, jars, secured: security?.secured, readyMs, stop }
  } catch (error) {
    const said = tail(output)
    await stop()
    throw new Error(`Apache Kafka ${kafkaVersion} did not start; it said:\n${said}`, {
      cause: error,
    })
  }
}

/** Sends one request on a connection of its own. */
export async function ask<N extends ApiName>(
  port: number,
  api: N,
  version: number,
  body: RequestInput<N>,
): Promise<ResponseOf<N>> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(requestTimeoutMs) })
    socket.write(concatBytes(encodeRequest(api, version, 1, 'headwater-scripts', body)))
    const splitter = new FrameSplitter()
    for (;;) {
      const signal = AbortSignal.timeout(requestTimeoutMs)
      const [chunk] = (await once(socket, 'data', { signal })) as [Uint8Array]
      const [frame] = splitter.push(chunk)
      if (frame) return decodeResponse(api, version, frame).body
    }
  } finally {
    socket.destroy()
  }
}

function nodeProperties(
  port: number,
  controllerPort: number,
  directory: string,
  { listeners = [], properties = {} }: Partial<Security> = {},
) {
  const open = [{ name: 'PLAINTEXT', port }, ...listeners].map(
    (each) => `${each.name}://127.0.0.1:${each.port}`,
  )
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: [...open, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
    'advertised.listeners': open.join(','),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(directory, 'data'),
    'num.partitions': '4',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    // Retention is first looked at after this long: tests write records of any time and expect them there.
    'log.initial.task.delay.ms': '3600000',
    ...properties,
  }
}

/** Ports nothing listens on. Another process may take one before Kafka does; then it does not start. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

function startJava(jars: string, output: string, args: readonly string[]): ChildProcess {
  const file = openSync(output, 'a')
  const child = spawn(java, [logOption, '-cp', join(jars, '*'), ...args], {
    stdio: ['ignore', file, file],
  })
  closeSync(file)
  return child
}

async function succeeded(child: ChildProcess): Promise<void> {
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`the storage could not be formatted: exit code ${code}`)
}

async function untilReady(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs
  let failure: unknown
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    try {
      const { errorCode } = await ask(port, 'ApiVersions', 4, {
        clientSoftwareName: 'headwater-scripts',
        clientSoftwareVersion: '1',
      })
      const { brokers } = await ask(port, 'Metadata', 13, { topics: [] })
      if (errorCode === 0 && brokers.length > 0) return
    } catch (error) {
      failure = error
    }
    await delay(50)
  }
  throw new Error(`it did not answer on port ${port} in ${readyTimeoutMs} ms`, { cause: failure })
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  await ended
  clearTimeout(late)
}

function tail(output: string): string {
  return readFileSync(output, 'utf8').split('\n').slice(-20).join('\n')
}

async function main(): Promise<void> {
  const words = process.argv.slice(2)
  const isSecured = words.includes('--secured')
  const pairs = words
    .filter((word) => word !== '--secured')
    .map((pair) => pair.split(/=(.*)/s).slice(0, 2))
  if (pairs.some((pair) => pair.length < 2)) {
    throw new Error('usage: node scripts/kafka.ts [--secured] [property=value …]')
  }
  const asked = askedToStop()
  const node = await startKafka({ properties: Object.fromEntries(pairs), isSecured })
  const ready = `ready after ${Math.round(node.readyMs)} ms`
  console.log(`Apache Kafka ${kafkaVersion} on 127.0.0.1:${node.port}, pid ${node.pid}, ${ready}`)
  if (node.secured) console.log(JSON.stringify(node.secured, null, 2))
  console.log('Ctrl-C stops it')
  await asked
  await node.stop()
}

/** Resolves when Ctrl-C or SIGTERM asks this process to end; until then they do not end it. */
export async function askedToStop(): Promise<void> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
}

if (import.meta.main) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  })
}
