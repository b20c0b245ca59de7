/**
 * Requests with as many items as the world has things, for every API that takes a list and for each of the
 * lists it takes. What they ask for is there, is not there, and is the same thing again and again.
 */
import { groups } from './groups.ts'
import type { ManyItems } from './many-items.ts'
import { records } from './records.ts'
import { settings, topics } from './topics.ts'
import { transactions } from './transactions.ts'

export const requestsOfManyItems: readonly ManyItems[] = [
  ...records,
  ...groups,
  ...transactions,
  ...topics,
  ...settings,
]
