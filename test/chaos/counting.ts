/** The service that chaos befalls: a copy, a count, sums in windows behind an inner topic, and an input. */
import { entity, keyed, keyspace, service, tumbling } from '../../src/index.ts'
import {
  CopySchema,
  CountSchema,
  EntrySchema,
  MovedSchema,
  ReadingSchema,
  SumSchema,
} from '../gen/chaos/v1/meters_pb.ts'
import { makeReading, windowMs } from './readings.ts'

export const partitions = 4

const Meter = keyspace.string('Meter', { partitions })
const District = keyspace.string('District', { partitions })
const SumId = keyspace.string('SumId', { partitions })

export const Readings = keyed('readings', ReadingSchema, { key: Meter, by: 'meter', owner: 'town' })
export const Entries = keyed('entries', EntrySchema, {
  key: Meter,
  by: 'meter',
  owner: 'counting',
})
export const Copies = keyed('copies', CopySchema, { key: Meter, by: 'meter', owner: 'counting' })
export const Moved = keyed('moved', MovedSchema, {
  key: District,
  by: 'district',
  owner: 'counting',
})
export const Counts = entity('counts', CountSchema, { key: Meter, by: 'meter', owner: 'counting' })
export const Sums = entity('sums', SumSchema, { key: SumId, by: 'id', owner: 'counting' })

/** What the input brings in, as it falls due by the clock. */
export interface EntryPlan {
  readonly seed: number
  /** When the first entry is due, in milliseconds since 1970. */
  readonly startAt: number
  readonly perSecond: number
  readonly total: number
}

const batchMax = 20
const lookMs = 50

export function counting(plan: EntryPlan) {
  return service('counting', {
    reads: [Readings],
    writes: [Entries, Copies, Moved, Counts, Sums],
    topology: (s) => {
      s.input('meters', Entries, (position: number = 0) => entriesFrom(plan, position))
      const readings = s.stream(Readings)
      readings.to(Copies, ({ meter, id }) => ({ meter, id }))
      const counts = readings.count('per-meter')
      counts.to(Counts, (count, meter) => ({ meter, readings: count }))
      const moved = readings
        .map(({ id, district, amount }) => ({ id, district, amount }))
        .rekey('by-district', District, ({ district }) => district)
      moved.to(Moved, ({ district, id }) => ({ district, id }))
      // Each partition is read in the order of its times, so nothing is late, however far one is behind.
      const sums = moved.window(tumbling(`${windowMs}ms`, { grace: '1s' })).reduce(
        'per-district',
        () => ({ readings: 0, amount: 0 }),
        (sum, { amount }) => ({ readings: sum.readings + 1, amount: sum.amount + amount }),
      )
      sums.to(Sums, (sum, { start }, district) => ({
        id: `${district}@${start.getTime()}`,
        ...sum,
      }))
      return { counts, sums }
    },
  })
}

async function* entriesFrom(plan: EntryPlan, position: number) {
  for (let next = position; next < plan.total;) {
    const dueByNow = Math.floor(((Date.now() - plan.startAt) * plan.perSecond) / 1_000)
    const end = Math.min(plan.total, dueByNow, next + batchMax)
    if (end <= next) {
      await new Promise((resolve) => setTimeout(resolve, lookMs))
      continue
    }
    const events = Array.from({ length: end - next }, (_, i) => {
      const { meter, id } = makeReading(plan.seed, 'entry', next + i)
      return { meter, id }
    })
    next = end
    yield { events, position: next }
  }
}
