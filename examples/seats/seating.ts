/** Answers questions: which seats of a flight are taken, what a passenger has booked, how full flights are. */
import { service } from '../../src/index.ts'
import type { Taken } from './cabin.ts'
import { PassengerName, SeatEvents, SeatsLeft } from './contracts.ts'

/** A flight's seats. */
export interface SeatMap {
  /** Counts what has happened: of two maps the one with the greater version is the newer one. */
  version: number
  taken: Taken
}

export interface Booking {
  flight: string
  seat: string
}

export const seating = service('seating', {
  reads: [SeatEvents, SeatsLeft],
  writes: [],
  topology: (s) => {
    const events = s.stream(SeatEvents)
    const seatMaps = events.reduce(
      'seat-maps',
      (): SeatMap => ({ version: 0, taken: {} }),
      (map, { event }) => {
        map.version++
        if (event.case === 'seatBooked') map.taken[event.value.seat] = event.value.passenger
        if (event.case === 'bookingCancelled') delete map.taken[event.value.seat]
        return map
      },
    )
    const bookings = events
      .rekey('by-passenger', PassengerName, ({ event }) => event.value?.passenger ?? '')
      .reduce(
        'bookings',
        (): Booking[] => [],
        (before, { flight, event }) => {
          const seat = event.value?.seat ?? ''
          const others = before.filter((one) => one.flight !== flight || one.seat !== seat)
          return event.case === 'seatBooked' ? [...others, { flight, seat }] : others
        },
      )
    return { seatMaps, bookings, seatsLeft: s.table(SeatsLeft) }
  },
})
