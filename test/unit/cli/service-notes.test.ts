/** What `headwater run` says of trouble that passes by itself. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import type { LogOptions } from '../../../src/cli/log-options.ts'
import { openLog } from '../../../src/cli/logging.ts'
import { ServiceNotes } from '../../../src/cli/service-notes.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { runCommand } from '../../airline/command.ts'

const fenced = new HeadwaterError('fenced', 'another has taken over')
const repair = { type: 'repair', error: fenced, pauseMs: 10 } as const
const slow = {
  type: 'slow-record',
  topic: 'orders',
  partition: 3,
  offset: 1_500,
  records: 1,
  ms: 12_345,
} as const

describe('notes of services', () => {
  it('name the service, the trouble and its place', () => {
    const { notes, lines } = open()
    notes.tell(repair, 'desk')
    notes.tell(slow, 'desk')
    notes.tell({ ...slow, records: 16 }, 'shop')
    notes.tell({ type: 'skipped', topic: 'orders', partition: 0, records: 7_000 }, 'desk')
    const error = new HeadwaterError('data-corrupt', 'could not read orders-2')
    notes.tell({ type: 'stalled', topic: 'orders', partition: 2, error, ms: 10_100 }, 'desk')
    const failed = new HeadwaterError('operator-failed', 'map 1 threw')
    notes.tell({ type: 'stopping', error: failed }, 'desk')
    assert.deepEqual(lines, [
      "service 'desk' went back to what is committed (fenced): another has taken over",
      "service 'desk' took 12,345 ms for record 1500 of partition 3 of topic 'orders'",
      "service 'shop' took 12,345 ms for one of the 16 records up to 1500 of partition 3 of topic 'orders'",
      "service 'desk' skipped 7,000 records of partition 0 of topic 'orders', which were gone before they were read",
      "service 'desk' has waited 10,100 ms for partition 2 of topic 'orders' and goes on trying (data-corrupt): could not read orders-2",
      "service 'desk' is led up to the record that stops it, and what was before it committed (operator-failed): map 1 threw",
    ])
  })

  it('say the same once, and half a minute later how often it came again', () => {
    const { notes, lines, pass } = open()
    for (let i = 0; i < 100; i++) {
      notes.tell(repair, 'desk')
      pass(100)
    }
    assert.equal(lines.length, 1)
    notes.tell(repair, 'shop')
    notes.tell({ ...repair, error: new HeadwaterError('timeout', 'late') }, 'desk')
    assert.equal(lines.length, 3, 'another service and another error are something else')
    pass(30_000)
    notes.tell(repair, 'desk')
    assert.match(lines[3]!, /another has taken over \(and 99 times like it since the last note\)$/)
    pass(30_000)
    notes.tell(repair, 'desk')
    assert.match(lines[4]!, /another has taken over$/)
  })

  it('are entries with a level in JSON', () => {
    const { notes, lines } = open({ logFormat: 'json' })
    notes.tell(repair, 'desk')
    notes.tell(slow, 'desk')
    assert.deepEqual(lines.map(entryOf), [
      {
        level: 'warn',
        msg: "service 'desk' went back to what is committed (fenced): another has taken over",
        event: {
          service: 'desk',
          type: 'repair',
          code: 'fenced',
          message: 'another has taken over',
          heldBack: 0,
        },
      },
      {
        level: 'warn',
        msg: "service 'desk' took 12,345 ms for record 1500 of partition 3 of topic 'orders'",
        event: { service: 'desk', ...slow, heldBack: 0 },
      },
    ])
  })

  it('say nothing of what is in order, unless everything is wanted', () => {
    const { notes, lines } = open()
    const everything = open({ logFormat: 'pretty', logLevel: 'debug' })
    for (const each of [notes, everything.notes]) {
      each.tell({ type: 'assigned', generation: 1, partitions: 2 }, 'desk')
      each.tell({ type: 'opened', kept: 1, restored: 2, ms: 1_200 }, 'desk')
      each.tell({ type: 'state', state: 'running' }, 'desk')
      each.tell({ type: 'state', state: 'running' }, 'desk')
      each.tell({ type: 'failed', error: fenced }, 'desk')
    }
    assert.deepEqual(lines, [])
    assert.deepEqual(everything.lines, [
      "service 'desk' was given 2 partitions in generation 1",
      "service 'desk' opened its tasks in 1,200 ms: 1 went on, 2 were restored",
      "service 'desk' is running",
      "service 'desk' is running",
    ])
  })

  it('say that a broker is lost and found, and only count what that brings with it', () => {
    const { notes, lines, pass } = open()
    const gone = new HeadwaterError('connection-failed', 'could not connect')
    const lost = { type: 'broker-lost', error: gone } as const
    notes.tell(lost, 'desk')
    for (let i = 0; i < 40; i++) {
      notes.tell({ ...repair, error: gone }, 'desk')
      pass(1_000)
    }
    notes.tell({ ...repair, error: gone }, 'shop')
    notes.tell(repair, 'desk')
    notes.tell({ type: 'broker-found', ms: 40_000 }, 'desk')
    notes.tell(lost, 'desk')
    notes.tell({ type: 'broker-found', ms: 10 }, 'desk')
    assert.deepEqual(lines, [
      "service 'desk' has lost its broker and goes on trying (connection-failed): could not connect",
      "service 'shop' went back to what is committed (connection-failed): could not connect",
      "service 'desk' went back to what is committed (fenced): another has taken over",
      "service 'desk' has its broker again after 40.0 s (and 40 times like it since the last note)",
      "service 'desk' has lost its broker and goes on trying (connection-failed): could not connect",
      "service 'desk' has its broker again after 0.01 s",
    ])
  })
})

describe('headwater run', () => {
  let root = ''
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'headwater-notes-'))
  })
  after(() => rm(root, { recursive: true, force: true }))

  const ports = ['--exit', '--port', '0', '--query-port', '0', '--durability', 'os']
  const run = (name: string, ...flags: string[]) =>
    runCommand([
      'run',
      join(import.meta.dirname, 'modules/slow.ts'),
      '--dir',
      join(root, name),
      ...ports,
      ...flags,
    ])

  it('names a slow record on standard error, once', async () => {
    const { code, stderr } = await run('text', '--log-format', 'pretty')
    assert.equal(code, 0, stderr)
    const told = stderr.match(/service 'desk' took [\d,]+ ms for .* of topic 'orders'/g)
    assert.equal(told?.length, 1, stderr)
  })

  it('has JSON lines and nothing else where standard error is no terminal', async () => {
    const { code, stderr } = await run('json')
    assert.equal(code, 0, stderr)
    const entries = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event?: { type: string; ms: number } })
    const event = entries.find((entry) => entry.event !== undefined)!.event!
    assert.partialDeepStrictEqual(event, { service: 'desk', type: 'slow-record' })
    assert.ok(event.ms >= 1_500)
  })
})

function open(options: LogOptions = { logFormat: 'pretty' }) {
  const clock = new SimClock()
  const lines: string[] = []
  const log = openLog(options, (line) => lines.push(line))
  const notes = new ServiceNotes({ clock, log })
  const pass = (ms: number): void => {
    clock.after(ms, () => undefined)
    clock.next()!()
  }
  return { notes, lines, pass }
}

/** An entry of the log; when it was made is nothing to compare. */
function entryOf(line: string): object {
  const { time, ...entry } = JSON.parse(line) as { readonly time: string }
  assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  return entry
}
