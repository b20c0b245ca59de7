import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseCsv, readAirports } from '../../examples/airline/airports-file.ts'
import { flightEvents } from '../../examples/airline/flight-events.ts'
import { readFlights } from '../../examples/airline/flights-file.ts'
import { isHeadwaterError } from '../../src/base/errors.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-files-'))
})
after(() => rm(folder, { recursive: true }))

describe('the airports file', () => {
  it('has 3,376 airports, those with quotes and commas in their names included', async () => {
    const airports = await readAirports()
    assert.equal(airports.length, 3376)
    assert.equal(new Set(airports.map(({ code }) => code)).size, 3376)
    assert.deepEqual(
      airports.find(({ code }) => code === 'DBN'),
      {
        code: 'DBN',
        name: 'W. H. "Bud" Barron',
        city: 'Dublin',
        state: 'GA',
        country: 'USA',
        latitude: 32.56445806,
        longitude: -82.98525556,
      },
    )
    assert.equal(airports.find(({ code }) => code === 'N25')?.city, 'Westport, NY')
  })

  it('is refused when it has another header or a short line', async () => {
    const path = join(folder, 'airports.csv')
    await writeFile(path, 'code,name\nORD,Chicago\n')
    await assert.rejects(readAirports(path), { code: 'input-invalid', message: /header/ })
    await writeFile(path, 'iata,name,city,state,country,latitude,longitude\nORD,Chicago\n')
    await assert.rejects(readAirports(path), { code: 'input-invalid', message: /record 2/ })
  })

  it('is parsed as RFC 4180 says', () => {
    assert.deepEqual(parseCsv('a,"b ""c"", d",\r\n,"line\nbreak",x'), [
      ['a', 'b "c", d', ''],
      ['', 'line\nbreak', 'x'],
    ])
    assert.throws(() => parseCsv('a,b"c'), { code: 'input-invalid' })
  })
})

describe('the flights file', () => {
  it('gives its rows in order, in batches, from any row to any row', async () => {
    const rows: number[] = []
    let last = 0
    for await (const { events, position } of flightEvents(272_000, 273_500)) {
      assert.ok(events.length <= 4096)
      for (const event of events) rows.push(event.row)
      last = position
    }
    assert.deepEqual(
      rows,
      Array.from({ length: 1500 }, (_, i) => 272_000 + i),
    )
    assert.equal(last, 273_500)
  })

  it('gives nothing when everything asked for has been read', async () => {
    for await (const _ of flightEvents(500, 500)) assert.fail('a batch of nothing')
  })

  it('gives the columns as they are in the file', async () => {
    for await (const { events } of flightEvents(0, 1)) {
      assert.deepEqual(events, [
        {
          row: 0,
          date: { seconds: BigInt(Date.UTC(2001, 0, 1, 0, 1) / 1000), nanos: 0 },
          origin: 'LAS',
          destination: 'PHL',
          delay: 33,
          distance: 2176,
        },
      ])
    }
  })

  it('ends with the file', async () => {
    let rows = 0
    for await (const chunk of readFlights(2_999_999, 4_000_000)) rows += chunk.rows
    assert.equal(rows, 272_730)
  })

  it('is refused when it is not Parquet', async () => {
    const path = join(folder, 'flights.parquet')
    await writeFile(path, 'this is no Parquet file at all')
    await assert.rejects(readFlights(0, 10, path).next(), (error: unknown) => {
      return isHeadwaterError(error, 'input-invalid') && error.message.includes('npm ci')
    })
  })
})
