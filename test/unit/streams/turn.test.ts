/** How long a turn lasts, and how a record that takes too long is named, on a clock that the test moves. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { InputQueue } from '../../../src/streams/task/queue.ts'
import { Task } from '../../../src/streams/task/task.ts'
import { operatorCounts } from '../../../src/streams/operators/counts.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { keyCodecs } from '../../../src/streams/stores/serde.ts'
import { Turns } from '../../../src/streams/runtime/turn.ts'
import type { SlowRecord } from '../../../src/streams/runtime/turn.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { shipping } from '../../types/shop.ts'

const turnMs = 20
const sessionTimeoutMs = 1_000
const transactionTimeoutMs = 1_500

describe('a turn', () => {
  it('ends when its time is over, whatever a record costs', () => {
    for (const costMs of [0.001, 0.1, 2, 7, 50]) {
      const { run } = open()
      for (let turn = 0; turn < 5; turn++) {
        const { ms } = run(() => costMs, 1_000_000)
        assert.ok(ms >= turnMs && ms <= turnMs + Math.max(costMs, 8), `${costMs}: ${ms}`)
      }
    }
  })

  it('looks at the clock after ever more records while they are cheap, and after each when they are not', () => {
    const { run, looks } = open()
    const cheap = run(() => 0.01, 1_000)
    assert.ok(looks() < cheap.records / 10, `${looks()} looks for ${cheap.records} records`)
    const before = looks()
    const dear = run(() => 5, 1_000)
    assert.equal(dear.records, 16, 'it finds out at the first look')
    run(() => 5, 1_000)
    assert.ok(looks() - before >= 5)
    const again = run(() => 0.01, 10_000)
    assert.ok(again.records > 1_000, 'it gets over it')
  })

  it('looks after a slow record though all the others are of a quick queue', () => {
    const { turns, slow, pass, queues } = open()
    const [quick, dear] = queues
    const costOf = (queue: InputQueue | undefined) => (queue === dear ? 140 : 0.001)
    let dearInARow = 0
    for (let turn = 0; turn < 40; turn++) {
      turns.begin()
      const records = [
        ...Array.from({ length: 500 }, () => quick!),
        ...Array.from({ length: 9 }, () => dear!),
      ]
      let dearRun = 0
      for (const [offset, queue] of records.entries()) {
        pass(costOf(queue))
        if (queue === dear) dearRun++
        if (turns.isOver(queue, offset)) break
      }
      turns.look()
      dearInARow = Math.max(dearInARow, dearRun)
    }
    assert.equal(dearInARow, 1)
    assert.ok(slow.length > 10)
    assert.ok(slow.every(({ records }) => records <= 16))
  })

  it('ends at once when what was made is to leave first', () => {
    let isFull = false
    const { run } = open({ isFull: () => isFull })
    run(() => 0.01, 1_000)
    isFull = true
    assert.ok(run(() => 0.01, 1_000).records <= 16)
    isFull = false
    assert.equal(run(() => 0.01, 1_000).records, 1_000)
  })

  it('tells of a slow record once, with its place', () => {
    const { run, slow } = open()
    run(() => 150, 1)
    run(() => 50, 1)
    assert.deepEqual(slow, [{ topic: 'payments', partition: 3, offset: 0, records: 1, ms: 150 }])
  })

  it('tells among how many it was when it was not timed by itself', () => {
    const { run, slow } = open()
    run(() => 0.01, 500)
    run((offset) => (offset === 5 ? 150 : 0.01), 16)
    assert.deepEqual(slow, [{ topic: 'payments', partition: 3, offset: 15, records: 16, ms: 150 }])
  })

  it('stops by name at a record that outlasts the session three times', () => {
    const { run, turns, slow } = open()
    run(() => 0.01, 500)
    for (let life = 1; life <= 3; life++) {
      run(() => 1_100, 1)
      if (life < 3) assert.equal(turns.takeFailure(), undefined)
    }
    assert.equal(slow.length, 3)
    const failure = turns.takeFailure()!
    assert.equal(failure.code, 'operator-failed')
    assert.match(
      failure.message,
      /service 'shipping' stopped at record 0 of partition 3 of topic 'payments': its functions took 1100 ms, 3 times in a row.*sessionTimeoutMs 1000/,
    )
  })

  it('finds that record among quick ones, which are done again with it', () => {
    const { run, turns, slow } = open()
    run(() => 0.001, 500)
    for (let life = 1; life <= 4; life++) run((offset) => (offset === 77 ? 1_100 : 0.001), 500)
    assert.match(turns.takeFailure()!.message, /record 77 /)
    assert.equal(slow.length, 4)
    assert.ok(slow[0]!.records > 1)
    assert.equal(slow[1]!.records, 1)
  })

  it('stops at that record also when others are committed in between', () => {
    const { run, turns } = open()
    for (let life = 1; life <= 4; life++) {
      run(() => 0.001, 5)
      turns.committed()
      run(() => 1_100, 1)
      turns.dropped()
    }
    assert.match(turns.takeFailure()!.message, /record 0 .*3 times/)
  })

  it('is careful for a while after a record that outlasted what a transaction may last', () => {
    const { run, turns } = open({ sessionTimeoutMs: 60_000 })
    run(() => 0.01, 500)
    assert.equal(turns.isCareful, false)
    for (let life = 1; life <= 5; life++) run(() => 1_600, 1)
    assert.equal(turns.takeFailure(), undefined)
    assert.equal(turns.isCareful, true)
    run(() => 0.001, 100)
    turns.committed()
    assert.equal(turns.isCareful, true, 'it may still be to come')
    run(() => 0.001, 1_000)
    assert.equal(turns.isCareful, false)
  })

  it('does not stop at a record that got through in the end', () => {
    const { run, turns } = open()
    for (let life = 1; life <= 6; life++) {
      run(() => 1_100, 1)
      if (life % 2 === 0) turns.committed()
    }
    assert.equal(turns.takeFailure(), undefined)
  })
})

interface Ran {
  readonly records: number
  readonly ms: number
}

/** A loop around turns whose records cost what the test says. */
function open({
  isFull = (): boolean => false,
  sessionTimeoutMs: session = sessionTimeoutMs,
} = {}) {
  const clock = new SimClock()
  const slow: SlowRecord[] = []
  let looks = 0
  const turns = new Turns({
    clock: {
      now: () => clock.now(),
      after: (ms, callback) => clock.after(ms, callback),
      soon: (callback) => clock.soon(callback),
      monotonic: () => {
        looks++
        return clock.monotonic()
      },
    },
    turnMs,
    sessionTimeoutMs: session,
    transactionTimeoutMs,
    service: 'shipping',
    isFull,
    onSlow: (each) => slow.push(each),
  })
  const queues = queuesOfPayments()
  const [queue] = queues
  const pass = (ms: number): void => {
    clock.after(ms, () => undefined)
    clock.next()!()
  }
  /** One turn over records from offset 0 on. */
  const run = (costMs: (offset: number) => number, count: number): Ran => {
    const from = clock.monotonic()
    turns.begin()
    let records = 0
    while (records < count) {
      pass(costMs(records))
      if (turns.isOver(queue!, records++)) break
    }
    turns.look()
    return { records, ms: clock.monotonic() - from }
  }
  return { turns, slow, run, pass, queues, looks: () => looks }
}

/** Of payments first, of the other streams of their task behind it. */
function queuesOfPayments(): readonly InputQueue[] {
  const plan = planTopology(shipping.build())
  const part = plan.subTopologies.find((each) => each.sources.some(isPayments))!
  const emit = { append: () => undefined }
  const context = { plan, partition: 3, keys: keyCodecs(), emit, counts: operatorCounts() }
  const task = new Task(context, part, 3)
  task.start(
    part.sources.map(({ topic }) => ({ topic, position: 0, committed: undefined, endOffset: 0 })),
  )
  const [payments, others] = [true, false].map((is) =>
    task.queues.filter(({ source }) => isPayments(source) === is),
  )
  return [...payments!, ...others!]
}

function isPayments({ topic }: { readonly topic: string }): boolean {
  return topic === 'payments'
}
