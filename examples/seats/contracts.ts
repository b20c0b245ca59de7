/** What the services of the example share. The contracts themselves stand in `proto/`, and are checked here. */
import { command, entity, keyed, keyspace } from '../../src/index.ts'
import {
  SeatCommandSchema,
  SeatEventSchema,
  SeatsLeftSchema,
} from './gen/seats/booking/v1/seats_pb.ts'

const FlightNumber = keyspace.string('FlightNumber', { partitions: 4 })
export const PassengerName = keyspace.string('PassengerName', { partitions: 4 })

/** What anybody may ask of a flight. */
export const SeatCommands = command('seat-commands', SeatCommandSchema, {
  key: FlightNumber,
  by: 'flight',
  owner: 'booking',
  reasons: ['no-such-flight', 'no-such-seat', 'flight-full', 'seat-taken', 'not-booked'],
})

/** Keyed: what happened to seats, in order per flight. */
export const SeatEvents = keyed('seat-events', SeatEventSchema, {
  key: FlightNumber,
  by: 'flight',
  owner: 'booking',
})

/** Entity: how full a flight is now. */
export const SeatsLeft = entity('seats-left', SeatsLeftSchema, {
  key: FlightNumber,
  by: 'flight',
  owner: 'booking',
})
