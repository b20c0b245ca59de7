/** Clients we did not write, and the queries, against the running example. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { Consumer as PlatformaticConsumer } from '@platformatic/kafka'
import kafkajs from 'kafkajs'
import type { board } from '../../examples/airline/board.ts'
import { FlightSchema } from '../../examples/airline/gen/airline/operations/v1/flight_pb.ts'
import { connect } from '../../src/query/client.ts'
import type { AirlineResult } from '../../examples/airline/result.ts'
import { Command, runCommand } from './command.ts'
import { expectedTables } from './expected.ts'
import type { ExpectedTables } from './expected.ts'
import { assertResult } from './read-back.ts'

const flights = 20_000

let directory = ''
let example: Command
let expected: ExpectedTables
let kafka = ''
let url = ''

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-clients-'))
  expected = await expectedTables(flights)
  const where = ['--dir', directory, '--port', '0', '--query-port', '0']
  example = new Command(['start', '--json', '--flights', String(flights), ...where])
  await example.printed('\n')
  kafka = /Kafka (\S+),/.exec(example.stderr)![1]!
  url = /queries (\S+),/.exec(example.stderr)![1]!
})
after(async () => {
  example.process.kill('SIGKILL')
  await example.ended
  await rm(directory, { recursive: true, force: true })
})

describe('the running example', () => {
  it('has printed one JSON object and nothing else on standard output', () => {
    assertResult(JSON.parse(example.stdout) as AirlineResult, expected)
    assert.deepEqual(Object.keys(JSON.parse(example.stdout) as object), [
      'flights',
      'disruptions',
      'airportDays',
      'seconds',
      'flightsPerSecond',
      'worst',
    ])
  })

  it('lets kafkajs read the flights', { timeout: 60_000 }, async () => {
    const client = new kafkajs.Kafka({
      clientId: 'kafkajs',
      brokers: [kafka],
      logLevel: kafkajs.logLevel.NOTHING,
    })
    const consumer = client.consumer({ groupId: 'kafkajs-reader', readUncommitted: false })
    await consumer.connect()
    await consumer.subscribe({ topic: 'flights', fromBeginning: true })
    const rows = new Rows()
    await consumer.run({
      eachBatch: async ({ batch }) => {
        for (const { key, value } of batch.messages) rows.add(key, value)
      },
    })
    await rows.complete
    await consumer.disconnect()
  })

  it('lets @platformatic/kafka read the flights', { timeout: 60_000 }, async () => {
    const consumer = new PlatformaticConsumer({
      clientId: 'platformatic',
      groupId: 'platformatic-reader',
      bootstrapBrokers: [kafka],
    })
    const stream = await consumer.consume({ topics: ['flights'], mode: 'earliest' })
    const rows = new Rows()
    stream.on('data', ({ key, value }) => rows.add(key, value))
    await rows.complete
    await stream.close()
    await consumer.close()
  })

  it('answers queries, by HTTP and by the typed client', async () => {
    const views = connect<typeof board>(`${url}/v1/board`)
    const { $typeName: _, ...day } = (await views.airportDays.get('JFK:2001-01-01'))!
    assert.deepEqual(
      day,
      expected.airportDays.find(({ id }) => id === 'JFK:2001-01-01'),
    )
    const got = await runCommand(['get', 'board', 'airports', 'JFK', '--url', url, '--json'])
    assert.equal((JSON.parse(got.stdout) as { name: string }).name, 'John F Kennedy Intl')
    const missing = await runCommand(['get', 'board', 'airports', 'XYZ', '--url', url])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /nothing is stored under 'XYZ'/)
  })

  it('shows its topics and their records on the command line', async () => {
    const topics = await runCommand(['topics', '--broker', kafka, '--json'])
    const names = (JSON.parse(topics.stdout) as { name: string }[]).map(({ name }) => name)
    assert.ok(
      ['airports', 'flights', 'disruptions', 'airport-days'].every((n) => names.includes(n)),
    )
    const contracts = ['--contracts', 'examples/airline/contracts.ts', '--json']
    const first = await runCommand([
      'tail',
      'flights',
      '--broker',
      kafka,
      '--key',
      'LAS',
      '--limit',
      '1',
      ...contracts,
    ])
    assert.partialDeepStrictEqual(JSON.parse(first.stdout), {
      topic: 'flights',
      key: 'LAS',
      timestamp: Date.UTC(2001, 0, 1, 0, 1),
      value: { row: 0, date: '2001-01-01T00:01:00Z', origin: 'LAS', destination: 'PHL', delay: 33 },
    })
    const last = await runCommand([
      'tail',
      'disruptions',
      '--broker',
      kafka,
      '--from',
      '-2',
      ...contracts,
    ])
    const partitions = last.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { partition: number }).partition)
    assert.deepEqual(
      partitions.toSorted((a, b) => a - b),
      [0, 0, 1, 1, 2, 2, 3, 3],
    )
  })

  it('refuses its ports and its directory to a second one, and names the fix', async () => {
    const dir = join(directory, 'second')
    const attempts: [string[], RegExp][] = [
      [
        ['--dir', dir, '--port', kafka.split(':')[1]!, '--query-port', '0'],
        /port \d+ .*in use.*another port/,
      ],
      [
        ['--dir', dir, '--port', '0', '--query-port', url.split(':')[2]!],
        /query port \d+ .*--query-port/,
      ],
      [
        ['--dir', directory, '--port', '0', '--query-port', '0'],
        /in use by process \d+.*another data directory/,
      ],
    ]
    for (const [args, message] of attempts) {
      const { code, stdout, stderr } = await runCommand(['start', '--exit', ...args])
      assert.equal(code, 1)
      assert.match(stderr, message)
      assert.equal(stdout, '')
      assert.doesNotMatch(stderr, /\n {4}at /)
    }
  })

  it('stops cleanly at Ctrl-C', async () => {
    example.process.kill('SIGINT')
    const { code, stderr } = await example.ended
    assert.equal(code, 0, stderr)
    assert.doesNotMatch(stderr, /\n {4}at /)
  })
})

/** The rows of the flights a consumer has seen. */
class Rows {
  readonly #seen = new Uint8Array(flights)
  readonly #done = Promise.withResolvers<void>()
  #count = 0

  /** Resolves when every flight has been seen. */
  get complete(): Promise<void> {
    return this.#done.promise
  }

  add(key: Buffer | null | undefined, value: Buffer | null | undefined): void {
    const flight = fromBinary(FlightSchema, value!)
    if (flight.origin !== key?.toString() || this.#seen[flight.row] !== 0) {
      this.#done.reject(new Error(`flight ${flight.row} is wrong or came twice`))
    }
    this.#seen[flight.row] = 1
    if (++this.#count === flights) this.#done.resolve()
  }
}
