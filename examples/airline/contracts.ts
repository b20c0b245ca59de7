/**
 * What the services of the example share: their keyspaces and the four streams between them.
 *
 * The contracts themselves (fields, kind, key, owner, bounded context) stand in `proto/`; each line here
 * is checked against them when this file is loaded.
 */
import { entity, keyed, keyspace, unkeyed } from '../../src/index.ts'
import { FlightDisruptedSchema } from './gen/airline/disruption/v1/disruption_pb.ts'
import { AirportSchema } from './gen/airline/network/v1/airport_pb.ts'
import { FlightSchema } from './gen/airline/operations/v1/flight_pb.ts'
import { AirportDaySchema } from './gen/airline/punctuality/v1/airport_day_pb.ts'

export const AirportCode = keyspace.string('AirportCode', { partitions: 4 })
export const AirportDayId = keyspace.string('AirportDayId', { partitions: 4 })

/** Entity: an airport as it is now. */
export const Airports = entity('airports', AirportSchema, {
  key: AirportCode,
  by: 'code',
  owner: 'airports',
})

/** Keyed: one fact per departure, in order per origin. */
export const Flights = keyed('flights', FlightSchema, {
  key: AirportCode,
  by: 'origin',
  owner: 'operations',
})

/** Unkeyed: a statement of fact, complete in itself. */
export const Disruptions = unkeyed('disruptions', FlightDisruptedSchema, { owner: 'disruption' })

/** Entity: an airport's departures on one day, as far as they are known. */
export const AirportDays = entity('airport-days', AirportDaySchema, {
  key: AirportDayId,
  by: 'id',
  owner: 'punctuality',
})
