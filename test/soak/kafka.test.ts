/**
 * Groups that change and connections that break, on a real Kafka node: `npm run test:kafka -- test/soak/*.test.ts`.
 * Not part of every run: a few times in a hundred these did not come through, for a reason not yet found
 * (docs/testing.md says what was seen). On our own broker the same bodies are part of `npm test`.
 */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { nodeNetwork } from '../../src/io/node-network.ts'
import { chaos } from '../client-suite/chaos.ts'
import { changingGroups } from '../client-suite/groups.ts'
import type { Peer } from '../client-suite/peer.ts'

const port = Number(process.env['KAFKA_BOOTSTRAP']?.split(':')[1])
assert.ok(port, 'KAFKA_BOOTSTRAP is not set; run these tests by npm run test:kafka')

const peer: Peer = {
  bootstrap: [{ host: '127.0.0.1', port }],
  dial: (host, at) => nodeNetwork.connect(host, at),
}

describe('the client and Kafka: groups that change', () => changingGroups(() => peer))
describe('the client and Kafka: chaos', () => chaos(() => peer, [5]))
