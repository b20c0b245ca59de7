/**
 * Events sent one by one, and in transactions, while the broker has a bad day: what each caller was told is
 * compared with what is stored.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { createTopics } from '../../../src/client/admin.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { Consumer } from '../../../src/client/consumer/consumer.ts'
import { utf8String } from '../../../src/base/bytes.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import { decodeRecords } from '../../../src/records/record.ts'
import { service } from '../../../src/service/service.ts'
import { eventTopic } from '../../../src/streams/plan/plan.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import type { EventProducer } from '../../../src/streams/runtime/producer.ts'
import type { SimProcess } from '../../../src/testing/world.ts'
import { Accounts, Payments, Visits } from '../../types/shop.ts'
import { brokerAddress } from './machine.ts'
import type { Drama } from './play.ts'
import type { Stage } from './stage.ts'
import { connect, persist } from './stage.ts'

const callers = 6
const eventsEach = 10
const transactions = 8
const pauseMsMax = 20
/** Shorter than some of what befalls the broker: then events are given up. */
const deliveryTimeoutMs = 3_000

const web = service('web', { reads: [], writes: [Visits], topology: () => ({}) })
const billing = service('billing', {
  reads: [],
  writes: [Accounts, Payments],
  topology: () => ({}),
})

type Outcome = 'stored' | 'not-written' | 'unknown'

/** What each caller was told, by what it sent; of one stage. */
const told = new WeakMap<Stage, Map<string, Outcome>>()

export const sends: Drama = { act, check }

async function act(stage: Stage): Promise<void> {
  const { world } = stage
  told.set(stage, new Map())
  const founder = await connect(world.start('founder'))
  const topics = [...web.writes, ...billing.writes].map(eventTopic)
  await persist(world.clock, () => createTopics(founder, topics))
  await founder.close()
  const options = (process: SimProcess) => ({
    broker: {
      bootstrap: [brokerAddress],
      dial: (host: string, port: number) => process.network.connect(host, port),
    },
    clock: process.clock,
    random: process.random,
    deliveryTimeoutMs,
    closeTimeoutMs: 60_000,
  })
  const browser = world.start('browser')
  const visits = producer(web, options(browser))
  const bank = world.start('bank')
  const accounts = producer(billing, { ...options(bank), instanceId: 'bank' })
  await Promise.all([
    ...Array.from({ length: callers }, (_, caller) => visit(stage, visits, browser, caller)),
    openAccounts(stage, accounts, bank),
  ])
  await visits.close()
  await accounts.close()
  const { count, waiting } = visits.stats()
  const stored = [...told.get(stage)!].filter(([name, it]) => it === 'stored' && name[0] === 'v')
  assert.deepEqual([count, waiting], [stored.length, 0])
  stage.isOver = true
}

async function visit(
  stage: Stage,
  sender: EventProducer<'web'>,
  process: SimProcess,
  caller: number,
): Promise<void> {
  for (let n = 0; n < eventsEach; n++) {
    await sleep(process.clock, stage.world.draw() * pauseMsMax)
    const path = `v${caller}/${n}`
    await note(stage, path, () => sender.send(Visits, { path }))
  }
}

/** Each in two streams; every fourth changes its mind. */
async function openAccounts(
  stage: Stage,
  sender: EventProducer<'billing'>,
  process: SimProcess,
): Promise<void> {
  for (let n = 0; n < transactions; n++) {
    await sleep(process.clock, stage.world.draw() * pauseMsMax)
    const holder = `t${n}`
    const isMeant = n % 4 !== 3
    await note(stage, holder, async () => {
      await sender.transaction(async (tx) => {
        tx.send(Accounts, { accountNumber: BigInt(n), holder })
        if (n % 2 === 0) await sleep(process.clock, 5)
        const payment = { paymentId: holder, orderId: holder, amount: n, status: '', paidAt: 1n }
        tx.send(Payments, payment)
        if (!isMeant) throw changedMind
      })
    })
  }
}

const changedMind = new Error('changed its mind')

async function note(stage: Stage, name: string, work: () => Promise<unknown>): Promise<void> {
  const outcomes = told.get(stage)!
  try {
    await work()
    outcomes.set(name, 'stored')
  } catch (error) {
    if (error === changedMind) return void outcomes.set(name, 'not-written')
    if (!isHeadwaterError(error)) throw error
    const { outcome, message } = error
    assert.ok(outcome !== undefined, `${name} says nothing of its outcome: ${message}`)
    outcomes.set(name, outcome)
  }
}

async function check(stage: Stage, reader: string): Promise<void> {
  const process = stage.world.start(reader)
  const cluster = await connect(process)
  const found = new Map<AnyEvent, string[]>()
  for (const event of [Visits, Accounts, Payments]) {
    const consumer = new Consumer(cluster, { maxWaitMs: 20, isolation: 'read_committed' })
    const names: string[] = []
    const places = Array.from({ length: event.partitions }, (_, partition) => {
      return { topic: event.name, partition }
    })
    // What is open is waited for: it is to be decided before it is compared.
    const uncommitted = new Consumer(cluster, { isolation: 'read_uncommitted' })
    const ends = await persist(process.clock, () => uncommitted.endOffsets(places))
    await uncommitted.close()
    for (const { topic, partition, offset: end } of ends) {
      consumer.assign([{ topic, partition, offset: 0 }])
      while (consumer.positions()[0]!.offset < end) {
        for (const fetched of await consumer.poll(100)) {
          stage.ledger.watch(reader, fetched)
          for (const { value } of fetched.batches.flatMap(decodeRecords))
            names.push(nameIn(event, value!))
        }
      }
    }
    await consumer.close()
    found.set(event, names)
  }
  compare(told.get(stage)!, found)
  await cluster.close()
  process.kill()
}

function nameIn(event: AnyEvent, value: Uint8Array): string {
  const fields = event.codec.decode(value) as unknown as Record<string, unknown>
  const name = fields['path'] ?? fields['holder'] ?? fields['paymentId']
  return typeof name === 'string' ? name : utf8String(value)
}

function compare(
  outcomes: ReadonlyMap<string, Outcome>,
  found: ReadonlyMap<AnyEvent, string[]>,
): void {
  const visits = found.get(Visits)!
  const accounts = found.get(Accounts)!
  const payments = found.get(Payments)!
  assert.deepEqual(accounts.toSorted(), payments.toSorted(), 'a transaction is there by half')
  const allowed = { stored: [1], 'not-written': [0], unknown: [0, 1] }
  for (const [name, outcome] of outcomes) {
    const stored = name.startsWith('v') ? visits : accounts
    const times = stored.filter((each) => each === name).length
    assert.ok(allowed[outcome].includes(times), `${name}, ${outcome}, is there ${times} times`)
  }
  assert.ok(visits.every((name) => outcomes.has(name)))
}
