/** Answers questions: what it returns are its queries, `airports` by code and `airportDays` by id. */
import { service } from '../../src/index.ts'
import { AirportDays, Airports } from './contracts.ts'

export const board = service('board', {
  reads: [Airports, AirportDays],
  writes: [],
  topology: (s) => ({
    airports: s.table(Airports),
    airportDays: s.table(AirportDays),
  }),
})
