/** The client's suite against our own broker over TCP. */
import { describe } from 'node:test'
import { chaos } from '../../client-suite/chaos.ts'
import { changingTopics } from '../../client-suite/changing-topics.ts'
import { changingGroups, groups } from '../../client-suite/groups.ts'
import { limits } from '../../client-suite/limits.ts'
import { produceAndConsume } from '../../client-suite/produce-consume.ts'
import { restarts } from '../../client-suite/restarts.ts'
import { transactions } from '../../client-suite/transactions.ts'
import { embedded } from './embedded.ts'

describe('the client and the broker over TCP: records', () =>
  produceAndConsume(embedded('over TCP')))
describe('the client and the broker over TCP: transactions', () =>
  transactions(embedded('over TCP')))
describe('the client and the broker over TCP: groups', () => groups(embedded('over TCP')))
describe('the client and the broker over TCP: groups that change', () =>
  changingGroups(embedded('over TCP')))
describe('the client and the broker over TCP: chaos', () => chaos(embedded('over TCP'), [1, 2]))
describe('the client and the broker over TCP: restarts', () => restarts(embedded('over TCP')))
describe('the client and the broker over TCP: limits', () => limits(embedded('over TCP')))
describe('the client and the broker over TCP: topics that change', () =>
  changingTopics(embedded('over TCP')))
