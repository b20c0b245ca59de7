import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TopologyDriver } from 'headwater/testing'
import { Orders } from '../gen/streams.ts'
import { shop } from '../src/shop.ts'

test('a customer has as many orders as were placed, and what they come to', () => {
  const driver = new TopologyDriver(shop)
  driver.send(Orders, { customerId: 'ada', item: 'tea', cents: 400 })
  driver.send(Orders, { customerId: 'ben', item: 'milk', cents: 150 })
  driver.send(Orders, { customerId: 'ada', item: 'cake', cents: 350 })
  driver.settle()
  assert.deepEqual(driver.get('customers', 'ada'), { orders: 2, cents: 750 })
  assert.deepEqual(driver.get('customers', 'ben'), { orders: 1, cents: 150 })
})
