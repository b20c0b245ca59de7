/** Decisions as tests of services try them. */
import assert from 'node:assert/strict'
import { AssertionError } from 'node:assert'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { decider } from '../../../src/testing/decider.ts'
import {
  OrderCommands,
  OrderEvents,
  cancel,
  change,
  ordering,
  place,
} from '../../types/ordering.ts'
import { Payments } from '../../types/shop.ts'

const orders = decider(ordering(), OrderCommands, OrderEvents)

function placed(total: number) {
  return { orderId: 'o-1', event: { case: 'placed' as const, value: { total } } }
}

describe('a trial of a decision', () => {
  it('passes when what happens is what was expected', () => {
    orders.given().when(place('o-1', 7)).thenAccepted(placed(7))
    orders
      .given(placed(7))
      .when(change('o-1', 2))
      .thenAccepted({ orderId: 'o-1', event: { case: 'changed', value: { by: 2 } } })
    orders.given(placed(7)).when(place('o-1')).thenRejected('already-placed')
    orders.given().when(place('o-1', 2_000)).thenRejected('too-much', { most: 1_000 })
    const cancelled = { orderId: 'o-1', event: { case: 'cancelled' as const, value: {} } }
    orders.given(placed(7), cancelled).when(cancel('o-1')).thenRejected('not-placed')
  })

  it('fails and shows both when it is not', () => {
    const wrong: (() => void)[] = [
      () => orders.given().when(place('o-1', 7)).thenAccepted(placed(8)),
      () => orders.given().when(place('o-1', 7)).thenAccepted(),
      () => orders.given().when(place('o-1', 7)).thenRejected('too-much'),
      () => orders.given(placed(7)).when(place('o-1')).thenAccepted(),
      () => orders.given(placed(7)).when(place('o-1')).thenRejected('too-much'),
      () => orders.given().when(place('o-1', 2_000)).thenRejected('too-much', { most: 1 }),
    ]
    for (const each of wrong) assert.throws(each, AssertionError)
  })

  it('throws what the decision throws, and what a running service would refuse', () => {
    assert.throws(() => orders.given(placed(7)).when(change('o-1', 13)), /by thirteen/)
    assert.throws(() => orders.given(placed(7)).when(change('o-1', 14)), /about 'another'/)
  })

  it('is of a decider of the service', () => {
    const isUnknown = (error: unknown): boolean => isHeadwaterError(error, 'not-found')
    assert.throws(() => decider(ordering(), OrderCommands, Payments), isUnknown)
    assert.throws(() => decider(ordering(), OrderEvents as never, OrderEvents), isUnknown)
  })
})
