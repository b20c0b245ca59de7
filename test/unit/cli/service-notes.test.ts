/** What `headwater run` says of trouble that passes by itself. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
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
    assert.deepEqual(lines, [
      "service 'desk' went back to what is committed (fenced): another has taken over",
      "service 'desk' took 12,345 ms for record 1500 of partition 3 of topic 'orders'",
      "service 'shop' took 12,345 ms for one of the 16 records up to 1500 of partition 3 of topic 'orders'",
      "service 'desk' skipped 7,000 records of partition 0 of topic 'orders', which were gone before they were read",
      "service 'desk' has waited 10,100 ms for partition 2 of topic 'orders' and goes on trying (data-corrupt): could not read orders-2",
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

  it('are objects on a line with --json', () => {
    const { notes, lines } = open(true)
    notes.tell(repair, 'desk')
    notes.tell(slow, 'desk')
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      [
        {
          event: {
            service: 'desk',
            type: 'repair',
            code: 'fenced',
            message: 'another has taken over',
            heldBack: 0,
          },
        },
        { event: { service: 'desk', ...slow, heldBack: 0 } },
      ],
    )
  })

  it('say nothing of what is in order', () => {
    const { notes, lines } = open()
    notes.tell({ type: 'assigned', generation: 1, partitions: 2 }, 'desk')
    notes.tell({ type: 'state', state: 'running' }, 'desk')
    notes.tell({ type: 'failed', error: fenced }, 'desk')
    assert.deepEqual(lines, [])
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
    const { code, stderr } = await run('text')
    assert.equal(code, 0, stderr)
    const told = stderr.match(/service 'desk' took [\d,]+ ms for .* of topic 'orders'/g)
    assert.equal(told?.length, 1, stderr)
  })

  it('names it as an object with --json', async () => {
    const { code, stderr } = await run('json', '--json')
    assert.equal(code, 0, stderr)
    const [line] = stderr.split('\n').filter((each) => each.startsWith('{'))
    const { event } = JSON.parse(line!) as { event: { service: string; type: string; ms: number } }
    assert.partialDeepStrictEqual(event, { service: 'desk', type: 'slow-record' })
    assert.ok(event.ms >= 1_500)
  })
})

function open(json = false) {
  const clock = new SimClock()
  const lines: string[] = []
  const notes = new ServiceNotes({ clock, json, write: (line) => lines.push(line) })
  const pass = (ms: number): void => {
    clock.after(ms, () => undefined)
    clock.next()!()
  }
  return { notes, lines, pass }
}
