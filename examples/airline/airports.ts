/** Network context. Owns the airports: reads them from a file and tells the world what they are. */
import { service } from '../../src/index.ts'
import { readAirports } from './airports-file.ts'
import { Airports } from './contracts.ts'

export const airports = service('airports', {
  reads: [],
  writes: [Airports],
  topology: (s) => {
    s.input('airports-file', Airports, async function* (position: number = 0) {
      const all = await readAirports()
      if (position < all.length) yield { events: all.slice(position), position: all.length }
    })
    return {}
  },
})
