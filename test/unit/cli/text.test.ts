import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { create, toBinary } from '@bufbuild/protobuf'
import { Airports } from '../../../examples/airline/contracts.ts'
import { AirportSchema } from '../../../examples/airline/gen/airline/network/v1/airport_pb.ts'
import { drawNextSteps, drawResult } from '../../../examples/airline/result.ts'
import {
  parseAdvertise,
  parseConfig,
  memoryMiBDefault,
  parseCount,
  parseMemory,
  parseFrom,
  parseHost,
  parseIndex,
  parseListener,
  parsePort,
} from '../../../src/cli/arguments.ts'
import { queryUrl } from '../../../src/cli/get.ts'
import { brokerDefaults } from '../../../src/broker/config.ts'
import { formatCount, formatSeconds, formatTable } from '../../../src/cli/output.ts'
import { Rates, drawProgress, plainProgress } from '../../../src/cli/progress.ts'
import { recordJson, recordLine } from '../../../src/cli/record-text.ts'

const plain = (lines: readonly string[]) => lines.map(stripVTControlCharacters)

describe('the command line', () => {
  it('takes ports, counts, addresses, starting points and configs', () => {
    assert.equal(parsePort('0'), 0)
    assert.equal(parsePort('65535'), 65_535)
    assert.equal(parseCount('3000000'), 3_000_000)
    assert.equal(parseMemory('512'), 512)
    assert.equal(memoryMiBDefault * 1024 * 1024, brokerDefaults.memoryBytesMax)
    assert.equal(parseIndex('0'), 0)
    for (const text of ['::1', '[::1]']) assert.equal(parseHost(text), '::1')
    const inner = { name: 'INNER', host: '127.0.0.1', port: 0 }
    const outer = { name: 'outer', host: '::', port: 9094 }
    assert.deepEqual(parseListener('INNER=127.0.0.1:0'), [inner])
    assert.deepEqual(parseListener('outer://[::]:9094', [inner]), [inner, outer])
    const told = { host: 'localhost', port: 19_094 }
    assert.deepEqual(parseAdvertise('localhost:19094'), [told])
    assert.deepEqual(parseAdvertise('OUTER=[fd00::5]', [told]), [
      told,
      { name: 'OUTER', host: 'fd00::5' },
    ])
    assert.equal(parseFrom('latest'), 'latest')
    assert.equal(parseFrom('-10'), -10)
    assert.deepEqual(parseConfig('b=c=d', parseConfig('a=1')), { a: '1', b: 'c=d' })
  })

  it('refuses everything else and says what it wants', () => {
    const wrong: [(text: string) => unknown, string, RegExp][] = [
      [parsePort, '65536', /0 to 65535/],
      [parsePort, '-1', /0 to 65535/],
      [parsePort, '90 92', /0 to 65535/],
      [parsePort, '', /0 to 65535/],
      [parseCount, '0', /at least 1/],
      [parseCount, '3e5', /at least 1/],
      [parseCount, '1.5', /at least 1/],
      [parseMemory, '15', /MiB, at least 16/],
      [parseMemory, '1 GiB', /MiB, at least 16/],
      [parseIndex, '-1', /at least 0/],
      [parseHost, '0.0.0.0:9092', /without a port/],
      [parseHost, '', /without a port/],
      [parseListener, '0.0.0.0:9092', /NAME=HOST:PORT/],
      [parseListener, 'OUTER=0.0.0.0', /NAME=HOST:PORT/],
      [parseListener, 'OUTER=:9092', /NAME=HOST:PORT/],
      [parseListener, '=0.0.0.0:9092', /NAME=HOST:PORT/],
      [parseAdvertise, 'localhost:0', /HOST:PORT as clients dial it/],
      [parseAdvertise, 'OUTER=', /HOST:PORT as clients dial it/],
      [parseAdvertise, 'A=b=c:1', /HOST:PORT as clients dial it/],
      [parseFrom, 'end', /beginning, latest/],
      [parseConfig, '=x', /NAME=VALUE/],
    ]
    for (const [parse, text, message] of wrong) assert.throws(() => parse(text), { message }, text)
  })

  it('puts the URL of a query together from its parts', () => {
    const at = { url: 'http://h:1/' }
    const asked = { service: 'board', view: 'airportDays', key: 'a/b c' }
    assert.equal(queryUrl(asked, at), 'http://h:1/v1/board/airportDays?key=a%2Fb+c')
    assert.equal(
      queryUrl({ ...asked, key: undefined }, { ...at, prefix: 'ORD:', limit: 3 }),
      'http://h:1/v1/board/airportDays?prefix=ORD%3A&limit=3',
    )
    const whole = { service: 'http://x/v1/board', view: undefined, key: undefined }
    assert.equal(queryUrl(whole, at), 'http://x/v1/board')
    const six = { url: 'http://[::1]:8092' }
    assert.equal(queryUrl(asked, six), 'http://[::1]:8092/v1/board/airportDays?key=a%2Fb+c')
    assert.throws(() => queryUrl({ ...whole, view: 'y' }, at), { code: 'config-invalid' })
    for (const url of ['nonsense', 'localhost:8092', 'http://[', '']) {
      assert.throws(() => queryUrl(asked, { url }), {
        code: 'config-invalid',
        message: /http:\/\/127\.0\.0\.1:8092/,
      })
    }
  })
})

describe('tables for people', () => {
  it('pad columns to their widest cell', () => {
    const columns = [
      { title: 'name', text: (row: { name: string }) => row.name },
      {
        title: 'n',
        align: 'right' as const,
        text: (row: { name: string }) => formatCount(row.name.length),
      },
      { title: '', text: () => '' },
    ]
    assert.deepEqual(formatTable(columns, [{ name: 'Oslo' }, { name: 'Dar es Salaam' }]), [
      'name            n',
      'Oslo            4',
      'Dar es Salaam  13',
    ])
    assert.deepEqual(formatTable(columns, []), ['name  n'])
  })

  it('write numbers and times as people do', () => {
    assert.equal(formatCount(3_000_000.4), '3,000,000')
    assert.deepEqual([0.4236, 12.34, 119.96, 125].map(formatSeconds), [
      '0.42 s',
      '12.3 s',
      '120.0 s',
      '2 min 5 s',
    ])
  })
})

describe('progress', () => {
  const services = [
    { name: 'operations', state: 'running', recordsIn: 0, recordsOut: 150_000, lag: 0 },
    { name: 'punctuality', state: 'restoring', recordsIn: 90_000, recordsOut: 12, lag: 60_000 },
  ]
  const snapshot = { load: { what: 'flights', done: 150_000, total: 300_000 }, services }
  const rates = new Map([['operations', 151_234.4]])

  it('is a bar for the load and a line for each service', () => {
    assert.deepEqual(plain(drawProgress(snapshot, rates)), [
      '████████████████████░░░░░░░░░░░░░░░░░░░░   50 %  150,000 of 300,000 flights',
      '',
      'service               in          out    records/s          lag',
      'operations             0      150,000      151,234            0',
      'punctuality       90,000           12            0       60,000  restoring',
    ])
  })

  it('is one line where there is no terminal', () => {
    assert.equal(
      plainProgress(snapshot, rates),
      '150,000 of 300,000 flights | operations 151,234/s lag 0 | punctuality (restoring) 0/s lag 60,000',
    )
    assert.equal(plainProgress({ load: undefined, services: [] }, rates), '')
  })

  it('never fills the bar before the load is done, and copes with nothing to load', () => {
    const bar = (done: number, total: number) =>
      plain(drawProgress({ load: { what: 'x', done, total }, services: [] }, rates))[0]!
    assert.match(bar(299_999, 300_000), /░ {3}99 %/)
    assert.match(bar(0, 0), /^█{40} {2}100 %/)
    assert.match(bar(5, 3), /^█{40} {2}100 %/)
  })

  it('counts records a second over the last two seconds', () => {
    const measured = new Rates()
    const at = (seconds: number, recordsOut: number) =>
      measured.of([{ ...services[0]!, recordsOut }], seconds * 1000).get('operations')
    assert.equal(at(0, 100), 0)
    assert.equal(at(1, 1100), 1000)
    assert.equal(at(2, 3100), 1500)
    assert.equal(at(3, 3100), 1000)
    assert.equal(at(4, 3100), 0)
  })
})

describe('the result', () => {
  const worst = [
    { airport: 'SJU', name: 'Luis Munoz Marin International', city: 'San Juan', state: 'PR' },
    { airport: 'JFK', name: 'John F Kennedy Intl', city: 'New York', state: 'NY' },
  ].map((airport, i) => ({ ...airport, flights: 1381, late: 480 - i, meanDelay: 15.6003 }))
  const result = {
    flights: 300_000,
    disruptions: 4258,
    airportDays: 4206,
    seconds: 2,
    flightsPerSecond: 150_000,
    worst,
  }

  it('is a table of the worst airports and what was counted', () => {
    assert.deepEqual(plain(drawResult(result)), [
      'The ten worst airports: the highest share of flights 15 minutes late or more,',
      'of the airports with at least 300 flights',
      '',
      '     airport                         city          flights  late   share  mean delay',
      'SJU  Luis Munoz Marin International  San Juan, PR    1,381   480  34.8 %    15.6 min',
      'JFK  John F Kennedy Intl             New York, NY    1,381   479  34.7 %    15.6 min',
      '',
      '300,000 flights, 4,258 disruptions and 4,206 airport-days stored; 2.00 s, 150,000 flights/s',
    ])
    const idle = drawResult({ ...result, flightsPerSecond: 0 })
    assert.match(idle.at(-1)!, /nothing was left to do/)
  })

  it('says where to look next', () => {
    const steps = plain(
      drawNextSteps({
        kafka: '127.0.0.1:9092',
        queryUrl: 'http://127.0.0.1:8092',
        directory: 'data/airline',
        example: worst[0],
      }),
    ).join('\n')
    assert.match(steps, /curl http:\/\/127.0.0.1:8092\/v1\/board\/airportDays\/SJU:2001-01-02/)
    assert.match(steps, /127.0.0.1:9092/)
    assert.match(steps, /data\/airline/)
  })
})

describe('a record', () => {
  const text = (value: string) => new TextEncoder().encode(value)
  const record = {
    topic: 'airports',
    partition: 2,
    offset: 17,
    timestamp: Date.UTC(2001, 0, 1),
    key: text('ORD'),
    value: text('any text'),
    headers: [],
  }
  const airport = toBinary(AirportSchema, create(AirportSchema, { code: 'ORD', latitude: 41.9 }))

  it('is a line: where, when, key and value', () => {
    assert.equal(recordLine(record, undefined), '2:17  2001-01-01T00:00:00.000Z  ORD  any text')
    assert.equal(
      recordLine({ ...record, key: null, value: null, timestamp: -1 }, undefined),
      '2:17  -  -  null',
    )
  })

  it('is decoded with its contract', () => {
    assert.match(
      recordLine({ ...record, value: airport }, Airports),
      /ORD {2}\{"code":"ORD","name":"".*"latitude":41.9/,
    )
    assert.deepEqual(recordJson({ ...record, value: airport }, Airports), {
      topic: 'airports',
      partition: 2,
      offset: 17,
      timestamp: 978_307_200_000,
      key: 'ORD',
      value: {
        code: 'ORD',
        name: '',
        city: '',
        state: '',
        country: '',
        latitude: 41.9,
        longitude: 0,
      },
    })
  })

  it('is hex when its bytes are no text or do not decode', () => {
    const bytes = Uint8Array.of(0xff, 0x00)
    assert.match(
      recordLine({ ...record, key: bytes, value: bytes }, undefined),
      /0xff00 {2}0xff00$/,
    )
    const undecodable = recordJson({ ...record, key: bytes, value: bytes }, Airports)
    assert.partialDeepStrictEqual(undecodable, { keyHex: 'ff00', valueHex: 'ff00' })
    assert.match(
      (undecodable as { valueError: string }).valueError,
      /no airline.network.v1.Airport/,
    )
  })

  it('shows its headers', () => {
    const headers = [
      { key: 'trace', value: text('abc') },
      { key: 'empty', value: null },
    ]
    assert.partialDeepStrictEqual(recordJson({ ...record, headers }, undefined), {
      headers: [
        ['trace', 'abc'],
        ['empty', null],
      ],
    })
  })
})
