/** Our client's own suite against a real Kafka node, the same bodies as against our broker. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { nodeNetwork } from '../../src/io/node-network.ts'
import type { Peer } from '../client-suite/peer.ts'
import { withoutFeatures } from '../client-suite/peer.ts'
import { chaos } from '../client-suite/chaos.ts'
import { changingTopics } from '../client-suite/changing-topics.ts'
import { changingGroups, groups } from '../client-suite/groups.ts'
import { limits } from '../client-suite/limits.ts'
import { produceAndConsume } from '../client-suite/produce-consume.ts'
import { transactions } from '../client-suite/transactions.ts'

const port = Number(process.env['KAFKA_BOOTSTRAP']?.split(':')[1])
assert.ok(port, 'KAFKA_BOOTSTRAP is not set; run these tests by npm run test:kafka')

const peer: Peer = {
  bootstrap: [{ host: '127.0.0.1', port }],
  dial: (host, at) => nodeNetwork.connect(host, at),
}

describe('the client and Kafka: records', () => produceAndConsume(() => peer))
describe('the client and Kafka: transactions', () => transactions(() => peer))
describe('the client and Kafka: transactions, version 1', () => {
  transactions(() => withoutFeatures(peer))
})
describe('the client and Kafka: groups', () => groups(() => peer))
describe('the client and Kafka: groups that change', () => changingGroups(() => peer))
describe('the client and Kafka: chaos', () => chaos(() => peer, [5]))
describe('the client and Kafka: limits', () => limits(() => peer))
describe('the client and Kafka: topics that change', () => changingTopics(() => peer))
