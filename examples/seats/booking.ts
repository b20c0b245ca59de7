/** Booking context. Decides who sits where: no seat is booked twice, whoever asks for it, and how often. */
import { service } from '../../src/index.ts'
import { countFree, firstFree, flights, seats } from './cabin.ts'
import type { Taken } from './cabin.ts'
import { SeatCommands, SeatEvents, SeatsLeft } from './contracts.ts'

export const booking = service('booking', {
  reads: [SeatCommands],
  writes: [SeatEvents, SeatsLeft],
  topology: (s) => {
    const { state } = s.decide('cabins', SeatCommands, {
      events: SeatEvents,
      initial: (): Taken => ({}),
      decide: ({ flight, command }, taken, { accept, reject }) => {
        if (!flights.includes(flight)) return reject('no-such-flight')
        if (command.case === 'cancelBooking') {
          const { seat, passenger } = command.value
          if (taken[seat] !== passenger) return reject('not-booked')
          return accept({ flight, event: { case: 'bookingCancelled', value: { seat, passenger } } })
        }
        const free = firstFree(taken)
        if (free === undefined) return reject('flight-full')
        const { seat = free, passenger = '' } = command.value ?? {}
        const wanted = seat === '' ? free : seat
        if (!seats.includes(wanted)) return reject('no-such-seat')
        if (taken[wanted] !== undefined) return reject('seat-taken')
        const booked = { seat: wanted, passenger }
        return accept({ flight, event: { case: 'seatBooked', value: booked } })
      },
      evolve: (taken, { event }) => {
        if (event.case === 'seatBooked') taken[event.value.seat] = event.value.passenger
        if (event.case === 'bookingCancelled') delete taken[event.value.seat]
        return taken
      },
    })
    state.to(SeatsLeft, (taken, flight) => ({ flight, left: countFree(taken) }))
    return {}
  },
})
