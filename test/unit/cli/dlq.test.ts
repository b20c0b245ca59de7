/** `headwater dlq` and `headwater offsets`, as processes, on a broker that is one, too. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { kafka } from '../../../src/client/security/kafka.ts'
import { service } from '../../../src/service/service.ts'
import { Command, runCommand } from '../../airline/command.ts'
import { createTopicsOf, runThrough, start, values, write } from '../../streams-suite/place.ts'
import type { Place } from '../../streams-suite/place.ts'
import { Orders, Payments, Shipments, Visits } from '../../types/shop.ts'

const contracts = join(import.meta.dirname, '../../types/shop.ts')

/** Ships each payment and counts it for its order, if the version is not broken for the order. */
function shipping(broken: readonly string[], counts = false) {
  return service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    onError: 'deadLetter',
    topology: (s) => {
      const payments = s.stream(Payments)
      payments
        .map(({ orderId, amount }) => {
          if (broken.includes(orderId)) throw new RangeError(`no ${orderId}`)
          return { orderId, amount, address: '' }
        })
        .to(Shipments)
      return counts ? { n: payments.count('n') } : {}
    },
  })
}

/** The same service, read by another: what is replayed for the first must pass it by. */
const audit = service('audit', {
  reads: [Payments],
  writes: [],
  topology: (s) => ({ perOrder: s.stream(Payments).count('per-order') }),
})

/** Reads orders, which are compacted. */
const desk = service('desk', {
  reads: [Orders],
  writes: [],
  onError: 'deadLetter',
  topology: (s) => ({
    n: s
      .stream(Orders)
      .filter(({ total }) => {
        if (total < 0) throw new RangeError('less than nothing')
        return true
      })
      .count('n'),
  }),
})

describe('headwater dlq and offsets', { timeout: 170_000 }, () => {
  let root = ''
  let broker: Command
  let at: string[] = []
  let place: Place

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'headwater-cli-dlq-'))
    broker = new Command(['broker', '--json', '--port', '0', '--dir', root])
    await broker.printed('\n')
    const address = `localhost:${(JSON.parse(broker.stdout) as { port: number }).port}`
    at = ['--broker', address]
    place = { broker: kafka(address), close: () => Promise.resolve() }
    for (const each of [shipping([]), audit, desk]) await createTopicsOf(place, each)
    await write(place, Payments, ['o1', 'o2', 'o3', 'o4'].map(payment), 1_000)
    await runThrough(place, shipping(['o2', 'o3']))
  })

  after(async () => {
    broker.process.kill('SIGTERM')
    await broker.ended
    await rm(root, { recursive: true, force: true })
  })

  const dlq = (...args: string[]) => runCommand(['dlq', ...args, ...at])
  const listed = async (...args: string[]): Promise<Listed[]> => {
    const { stdout } = await dlq('list', 'shipping', '--json', ...args)
    return stdout.trim() === ''
      ? []
      : stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Listed)
  }
  const shipped = async (): Promise<string[]> => {
    const all = await values(place, Shipments)
    return all.map(({ orderId }) => orderId).toSorted((a, b) => (a < b ? -1 : 1))
  }

  it('lists open letters, one a line, with operator and reason', async () => {
    const letters = await listed()
    const said = letters.map(({ operator, message }) => `${operator}: ${message}`)
    assert.deepEqual(
      new Set(said),
      new Set(['map 1: map 1 threw: no o2', 'map 1: map 1 threw: no o3']),
    )
    const { stdout, code } = await dlq('list', 'shipping', '--limit', '1')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^letter +failed +operator +why\npayments\/\d+\/0\/0 .*map 1 threw: no o\d\n$/,
    )
    const none = await dlq('list', 'nobody')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /service 'nobody' has no dead letters: there is no topic/)
  })

  it('shows one letter whole, its value decoded by its contract', async () => {
    const { id } = (await listed()).find(({ message }) => message.endsWith('o2'))!
    const { stdout } = await dlq('show', 'shipping', id, '--contracts', contracts)
    assert.match(stdout, /^operator +map 1$/m)
    assert.match(stdout, /^record .*"orderId":"o2"/m)
    assert.match(stdout, /RangeError: no o2\n +at /)
    const wrong = await dlq('show', 'shipping', 'payments/0/99/0')
    assert.match(
      wrong.stderr,
      /no dead letter 'payments\/0\/99\/0': `headwater dlq list shipping --all`/,
    )
  })

  it('needs to know which, and a yes', async () => {
    const which = await dlq('replay', 'shipping')
    assert.match(which.stderr, /which letters\? Name them, or say --operator NAME, or --open/)
    const asked = await dlq('replay', 'shipping', '--open')
    assert.equal(asked.code, 1)
    assert.match(asked.stderr, /2 letters of service 'shipping' written once more.*add --yes/)
    assert.equal((await listed()).length, 2)
  })

  it('replays a record for its service alone, once, and says so ever after', async () => {
    const { id } = (await listed()).find(({ message }) => message.endsWith('o2'))!
    const done = await dlq('replay', 'shipping', id, id, '--yes', '--json')
    assert.deepEqual(JSON.parse(done.stdout), { service: 'shipping', replayed: [id], left: [] })
    const again = await dlq('replay', 'shipping', id, '--yes')
    assert.match(again.stderr, /cannot be replayed: it is settled already: add --again/)
    await runThrough(place, shipping(['o3']))
    assert.deepEqual(await shipped(), ['o1', 'o2', 'o4'])
    await using auditing = await start(place, audit)
    await auditing.caughtUp()
    assert.equal(auditing.views['perOrder']!.get('o2'), 1)
    const outcomes = (await listed('--all')).map(({ settled }) => settled?.outcome ?? 'open')
    assert.deepEqual(new Set(outcomes), new Set(['replayed', 'open']))
  })

  it('a replay that fails again is a letter that says so', async () => {
    const { id } = (await listed())[0]!
    await dlq('replay', 'shipping', id, '--yes')
    await runThrough(place, shipping(['o3']))
    const [letter, ...more] = await listed()
    assert.deepEqual(more, [])
    assert.equal(letter!.replayOf, id)
    assert.notEqual(letter!.id, id)
  })

  it('drops a letter with a reason', async () => {
    const { stdout } = await dlq('drop', 'shipping', '--open', '--reason', 'paid back', '--yes')
    assert.equal(stdout, 'One letter dropped.\n')
    assert.deepEqual(await listed(), [])
    const all = await dlq('list', 'shipping', '--all')
    assert.match(all.stdout, /dropped: paid back/)
    const none = await dlq('list', 'shipping')
    assert.equal(none.stdout, "Service 'shipping' has no open dead letters.\n")
  })

  it('refuses to process twice what another branch has processed, unless told to', async () => {
    await write(place, Payments, [payment('o5')], 1_000)
    await runCommand(['offsets', 'set', 'shipping', 'payments', '--to', 'end', '--yes', ...at])
    await write(place, Payments, [payment('o6')], 1_000)
    const both = service('both', {
      reads: [Payments],
      writes: [],
      onError: 'deadLetter',
      topology: (s) => {
        const payments = s.stream(Payments)
        const checked = payments.filter(({ orderId }) => {
          if (orderId === 'o6') throw new RangeError('no o6')
          return true
        })
        return { all: payments.count('all'), checked: checked.count('checked') }
      },
    })
    await runThrough(place, both)
    const refused = await dlq('replay', 'both', '--open', '--yes')
    assert.match(refused.stderr, /another branch of the service has processed the record/)
    const { code } = await dlq('replay', 'both', '--open', '--again', '--yes')
    assert.equal(code, 0)
  })

  it('refuses to make an old record of a compacted stream the last of its key', async () => {
    await write(place, Orders, [{ orderId: 'o1', customerId: 'c', address: '', total: -1 }])
    await runThrough(place, desk)
    const { code, stderr } = await dlq('replay', 'desk', '--open', '--yes')
    assert.equal(code, 1)
    assert.match(stderr, /stream 'orders' keeps the last record of each key only/)
  })

  it('leaves letters whose stream is gone as they are, says so, and replays the others', async () => {
    const gate = service('gate', {
      reads: [Payments, Visits],
      writes: [],
      onError: 'deadLetter',
      topology: (s) => {
        s.stream(Visits).forEach(
          'greet',
          () => {
            throw new RangeError('nobody in')
          },
          { retry: { attempts: 1 } },
        )
        s.stream(Payments).forEach(
          'take',
          ({ orderId }) => {
            if (orderId === 'o7') throw new RangeError('no o7')
          },
          { retry: { attempts: 1 } },
        )
        return {}
      },
    })
    await createTopicsOf(place, gate)
    await write(
      place,
      Visits,
      Array.from({ length: 12 }, (_, n) => ({ path: `/${n}` })),
      1_000,
    )
    await write(place, Payments, [payment('o7')], 1_000)
    await runThrough(place, gate)
    await runCommand(['topics', 'delete', 'visits', ...at])
    const named = await dlq('replay', 'gate', 'visits/0/0/0', '--yes')
    assert.equal(named.code, 1)
    assert.match(
      named.stderr,
      /cannot be replayed: stream 'visits' is gone, so it can be written nowhere/,
    )
    const { stdout, stderr, code } = await dlq('replay', 'gate', '--open', '--yes')
    assert.equal(stdout, 'One letter replayed, 12 left as they were.\n')
    assert.equal(code, 0)
    assert.equal(stderr.match(/is left as it is: stream 'visits' is gone/g)?.length, 10)
    assert.match(stderr, /So are 2 more\./)
    const nothing = await dlq('replay', 'gate', '--open', '--yes')
    assert.match(nothing.stderr, /cannot be replayed: stream 'visits' is gone/)
    assert.equal((await dlq('drop', 'gate', '--open', '--yes')).stdout, '12 letters dropped.\n')
  })

  it('gives the terminal no orders that stand in a record', async () => {
    const order = '\u001B[2Jo9'
    await write(place, Payments, [payment(order)], 1_000)
    await runThrough(place, shipping([order]))
    const { id } = (await listed()).find(({ message }) => message.endsWith(order))!
    for (const args of [
      ['list', 'shipping'],
      ['show', 'shipping', id, '--contracts', contracts],
    ]) {
      const { stdout } = await dlq(...args)
      assert.match(stdout, /no \uFFFD\[2Jo9/)
      assert.ok(!stdout.includes('\u001B'))
    }
  })

  it('shows how far a group is, sets it, and skips records, while nobody runs', async () => {
    const offsets = (...args: string[]) => runCommand(['offsets', ...args, ...at])
    const { stdout } = await offsets('show', 'desk', '--json')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Standing)
    const read = lines.find(({ topic, lag, end }) => topic === 'orders' && lag === 0 && end > 0)!
    assert.ok(read)
    const where = ['--partition', String(read.partition)]
    const back = await offsets('set', 'desk', 'orders', '--to', 'beginning', ...where, '--yes')
    assert.match(back.stdout, /from \d+ to 0, \d+ offsets are read again\.\n$/)
    const skipped = await offsets('skip', 'desk', 'orders', ...where, '--yes', '--json')
    assert.partialDeepStrictEqual(JSON.parse(skipped.stdout), {
      moved: [{ partition: read.partition, from: 0, to: 1 }],
    })
    const later = await offsets('skip', 'desk', 'orders', ...where, '--record', '3', '--yes')
    assert.match(later.stderr, /has committed up to 1 .*records 1 to 2 would be left out, too/)
    const again = await offsets('skip', 'desk', 'orders', ...where, '--record', '0', '--yes')
    assert.match(again.stderr, /it is behind that record already/)
    await offsets('set', 'desk', 'orders', '--to', '0', ...where, '--yes')
    const one = await offsets('skip', 'desk', 'orders', ...where, '--record', '0', '--yes')
    assert.match(one.stdout, /from 0 to 1, 1 offsets are left out/)
    await offsets('set', 'desk', 'orders', '--to', '0', ...where, '--yes')
    const first = ['payments', '--partition', '0', '--record', '0']
    const empty = await offsets('skip', 'desk', ...first, '--records', '99', '--yes')
    assert.match(empty.stderr, /offsets are left behind 0/, 'though nothing of it is committed')
    const asked = await offsets('set', 'desk', 'orders', '--to', '2100-01-01T00:00:00Z', ...where)
    assert.match(asked.stderr, /are left out.*Stores keep what they hold.*add --yes/)
    const tooFar = await offsets('skip', 'desk', 'orders', ...where, '--records', '99', '--yes')
    assert.match(tooFar.stderr, /offsets are left behind 0, where the service stands/)
    const unread = await offsets('set', 'desk', 'payments', '--to', 'end', '--yes')
    assert.match(unread.stderr, /group 'desk' has committed nothing of topic 'payments'/)
    const nobody = await offsets('show', 'nobody')
    assert.match(nobody.stderr, /group 'nobody' has committed nothing: has the service run/)
    await using running = await start(place, desk)
    await running.caughtUp()
    const busy = await offsets('set', 'desk', 'orders', '--to', 'end', '--yes')
    assert.match(busy.stderr, /instances of service 'desk' run \(desk-1-/)
  })
})

interface Listed {
  readonly id: string
  readonly operator: string
  readonly message: string
  readonly replayOf: string | null
  readonly settled?: { readonly outcome: string }
}

interface Standing {
  readonly topic: string
  readonly partition: number
  readonly end: number
  readonly lag: number
}

function payment(orderId: string) {
  return { paymentId: `p-${orderId}`, orderId, amount: 1, status: 'CAPTURED' }
}
