/** What a broker counts of its requests, by the two bytes that name their API. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis } from '../../../src/protocol/api.ts'
import { Traffic } from '../../../src/broker/server/traffic.ts'

test('requests are counted by API, and what names none together, however large its number', () => {
  const traffic = new Traffic()
  const { key } = apis.Fetch
  traffic.received(Uint8Array.of(0, key, 0, 4))
  traffic.received(Uint8Array.of(0, key, 0, 4))
  for (const stranger of [[0, 127], [0, 128], [0x7f, 0xff], [0xff, 0xff], [7], []]) {
    traffic.received(Uint8Array.from(stranger))
  }
  assert.deepEqual(Object.fromEntries(traffic.requests()), { Fetch: 2, unknown: 6 })
  // Each with the four bytes of its length.
  assert.equal(traffic.receivedBytes, 2 * 8 + 4 * 6 + 5 + 4)
})
