/**
 * What the services stored, read from the topics of any broker: decoded by protobuf-es, folded by plain
 * loops, and compared with the expected tables, every row.
 */
import assert from 'node:assert/strict'
import { fromBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { timestampDate } from '@bufbuild/protobuf/wkt'
import { FlightDisruptedSchema } from '../../examples/airline/gen/airline/disruption/v1/disruption_pb.ts'
import { AirportSchema } from '../../examples/airline/gen/airline/network/v1/airport_pb.ts'
import { FlightSchema } from '../../examples/airline/gen/airline/operations/v1/flight_pb.ts'
import { AirportDaySchema } from '../../examples/airline/gen/airline/punctuality/v1/airport_day_pb.ts'
import type { AirlineResult } from '../../examples/airline/result.ts'
import { Cluster } from '../../src/client/cluster/cluster.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import type { Dial } from '../../src/io/ports.ts'
import { decodeRecords } from '../../src/records/record.ts'
import type { StoredRecord } from '../../src/records/record.ts'
import type { ExpectedTables } from './expected.ts'

export interface BrokerAt {
  readonly host: string
  readonly port: number
  readonly dial?: Dial
}

/** Compares what `npm start` printed. */
export function assertResult(result: AirlineResult, tables: ExpectedTables): void {
  assert.equal(result.flights, tables.flights)
  assert.equal(result.disruptions, tables.disruptions.length)
  assert.equal(result.airportDays, tables.airportDays.length)
  assert.ok(result.seconds > 0)
  assert.deepEqual(result.worst, tables.worst)
}

/** Compares all four topics with the expected tables: nothing missing, nothing twice, nothing else. */
export async function assertStored(broker: BrokerAt, expected: ExpectedTables): Promise<void> {
  const cluster = await Cluster.connect({
    bootstrap: [broker],
    dial: broker.dial ?? ((host, port) => nodeNetwork.connect(host, port)),
    clock: nodeClock,
    random: nodeRandom,
  })
  try {
    assertFlights(await readTopic(cluster, 'flights'), expected)
    assertAirports(await readTopic(cluster, 'airports'), expected)
    assertDisruptions(await readTopic(cluster, 'disruptions'), expected)
    assertAirportDays(await readTopic(cluster, 'airport-days'), expected)
  } finally {
    await cluster.close()
  }
}

interface PlacedRecord extends StoredRecord {
  readonly partition: number
}

/** All committed records of a topic, each partition in order. */
async function readTopic(cluster: Cluster, topic: string): Promise<PlacedRecord[]> {
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  const count = await cluster.partitionCount(topic)
  const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
  const ends = await consumer.endOffsets(partitions)
  consumer.assign(await consumer.beginningOffsets(partitions))
  const unread = new Set(ends.filter(({ offset }) => offset > 0).map(({ partition }) => partition))
  const records: PlacedRecord[] = []
  while (unread.size > 0) {
    for (const { partition, batches, nextOffset } of await consumer.poll(1000)) {
      for (const batch of batches) {
        for (const record of decodeRecords(batch)) records.push({ ...record, partition })
      }
      if (nextOffset >= ends[partition]!.offset) unread.delete(partition)
    }
  }
  await consumer.close()
  return records
}

function assertFlights(records: readonly PlacedRecord[], expected: ExpectedTables): void {
  const rows = new Uint8Array(expected.flights)
  const lastRow = new Map<number, number>()
  for (const record of records) {
    const flight = decode(FlightSchema, record)
    const { row, origin } = flight
    assert.ok(row < expected.flights && rows[row] === 0, `flight ${row} is not there twice`)
    rows[row] = 1
    assert.equal(keyOf(record), origin)
    assert.equal(record.timestamp, timestampDate(flight.date!).getTime())
    // Rows are written in order, so they lie in order in each partition.
    assert.ok(row > (lastRow.get(record.partition) ?? -1), `flight ${row} is in order`)
    lastRow.set(record.partition, row)
  }
  assert.equal(records.length, expected.flights)
}

function assertAirports(records: readonly PlacedRecord[], expected: ExpectedTables): void {
  const codes = records.map((record) => decode(AirportSchema, record).code)
  assert.equal(new Set(codes).size, expected.airports)
  assert.equal(codes.length, expected.airports, 'no airport was written twice')
}

function assertDisruptions(records: readonly PlacedRecord[], expected: ExpectedTables): void {
  const rows = records.map((record) => {
    assert.equal(record.key, null)
    const { $typeName: _, date, ...fact } = decode(FlightDisruptedSchema, record)
    const at = timestampDate(date!)
    assert.equal(record.timestamp, at.getTime())
    return { ...fact, date: at.toISOString() }
  })
  rows.sort((a, b) => a.flight - b.flight)
  assert.deepEqual(rows, expected.disruptions)
}

/** The table is the last record of each key. */
function assertAirportDays(records: readonly PlacedRecord[], expected: ExpectedTables): void {
  const table = new Map<string, unknown>()
  for (const record of records) {
    const { $typeName: _, ...day } = decode(AirportDaySchema, record)
    assert.equal(keyOf(record), day.id)
    table.set(day.id, day)
  }
  const rows = [...table].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, day]) => day)
  assert.deepEqual(rows, expected.airportDays)
}

function decode<S extends DescMessage>(schema: S, record: StoredRecord): MessageShape<S> {
  assert.ok(record.value !== null)
  return fromBinary(schema, record.value)
}

function keyOf(record: StoredRecord): string {
  return new TextDecoder().decode(record.key)
}
