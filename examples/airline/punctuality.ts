/** Punctuality context. Keeps count of departures, late ones and their delay, per airport and UTC day. */
import { service, tumbling } from '../../src/index.ts'
import { AirportDays, Flights } from './contracts.ts'

export const punctuality = service('punctuality', {
  reads: [Flights],
  writes: [AirportDays],
  topology: (s) => {
    s.stream(Flights)
      .window(tumbling('1d', { grace: '1d' }))
      .reduce(
        'airport-days',
        () => ({ flights: 0, late: 0, delayTotal: 0 }),
        (sum, { delay }) => ({
          flights: sum.flights + 1,
          late: sum.late + (delay >= 15 ? 1 : 0),
          delayTotal: sum.delayTotal + delay,
        }),
      )
      .to(AirportDays, (sum, window, airport) => {
        const day = window.start.toISOString().slice(0, 10)
        return {
          id: `${airport}:${day}`,
          airport,
          day,
          ...sum,
          meanDelay: sum.delayTotal / sum.flights,
        }
      })
    return {}
  },
})
