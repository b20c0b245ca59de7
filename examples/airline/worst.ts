/** The worst airports: those with the highest share of late departures, from the stored airport-days. */
import type { Airport } from './gen/airline/network/v1/airport_pb.ts'
import type { AirportDay } from './gen/airline/punctuality/v1/airport_day_pb.ts'

export interface WorstAirport {
  readonly airport: string
  readonly name: string
  readonly city: string
  readonly state: string
  readonly flights: number
  readonly late: number
  /** Minutes. */
  readonly meanDelay: number
}

/**
 * The `count` worst airports. Only those with at least one in a thousand of all flights are ranked, so
 * that three unlucky departures a month do not win; equal shares are ordered by code.
 */
export function worstAirports(
  days: Iterable<AirportDay>,
  airportOf: ReadonlyMap<string, Airport>,
  count: number,
): WorstAirport[] {
  const sums = sumByAirport(days)
  let flights = 0
  for (const sum of sums.values()) flights += sum.flights
  return [...sums]
    .filter(([, sum]) => sum.flights * 1000 >= flights)
    .sort(([codeA, a], [codeB, b]) => worseFirst(a, b) || (codeA < codeB ? -1 : 1))
    .slice(0, count)
    .map(([airport, { flights, late, delayTotal }]) => {
      const { name = '', city = '', state = '' } = airportOf.get(airport) ?? {}
      return { airport, name, city, state, flights, late, meanDelay: delayTotal / flights }
    })
}

interface Sum {
  flights: number
  late: number
  delayTotal: number
}

function sumByAirport(days: Iterable<AirportDay>): Map<string, Sum> {
  const sums = new Map<string, Sum>()
  for (const { airport, flights, late, delayTotal } of days) {
    const sum = sums.get(airport) ?? { flights: 0, late: 0, delayTotal: 0 }
    sum.flights += flights
    sum.late += late
    sum.delayTotal += delayTotal
    sums.set(airport, sum)
  }
  return sums
}

/** Shares are compared as fractions, without dividing, so equal ones are equal. */
function worseFirst(a: Sum, b: Sum): number {
  return b.late * a.flights - a.late * b.flights
}
