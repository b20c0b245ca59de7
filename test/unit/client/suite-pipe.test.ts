/** The client's suite against our own broker through the pipe inside the process. */
import { describe } from 'node:test'
import { chaos } from '../../client-suite/chaos.ts'
import { changingTopics } from '../../client-suite/changing-topics.ts'
import { changingGroups, groups } from '../../client-suite/groups.ts'
import { withoutFeatures } from '../../client-suite/peer.ts'
import { limits } from '../../client-suite/limits.ts'
import { produceAndConsume } from '../../client-suite/produce-consume.ts'
import { restarts } from '../../client-suite/restarts.ts'
import { transactions } from '../../client-suite/transactions.ts'
import { embedded } from './embedded.ts'

describe('the client and the broker in process: records', () =>
  produceAndConsume(embedded('in process')))
describe('the client and the broker in process: transactions', () =>
  transactions(embedded('in process')))
describe('the client and the broker in process: groups', () => groups(embedded('in process')))
describe('the client and the broker in process: groups that change', () =>
  changingGroups(embedded('in process')))
describe('the client and the broker in process: chaos', () => chaos(embedded('in process'), [3, 4]))
describe('the client and the broker in process: restarts', () => restarts(embedded('in process')))
describe('the client and the broker in process: transactions, version 1', () => {
  const peer = embedded('in process')
  transactions(() => withoutFeatures(peer()))
})
describe('the client and the broker in process: limits', () => limits(embedded('in process')))
describe('the client and the broker in process: topics that change', () =>
  changingTopics(embedded('in process')))
