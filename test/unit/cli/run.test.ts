/** `run()` as a program uses it: the process stays while services do, and nothing stays of a start given up. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import type { EmbeddedBroker } from '../../../src/broker/embedded.ts'
import { listGroups } from '../../../src/client/admin.ts'
import { withCluster } from '../../../src/cli/connect.ts'
import type { Dial, Duplex } from '../../../src/io/ports.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { Command } from '../../airline/command.ts'
import { checkout, desk } from './modules/shop.ts'

const program = join(import.meta.dirname, 'modules/library-use.ts')
/** Longer than a process without anything to wait for lives on. */
const pauseMs = 2_000

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'headwater-run-'))
})
after(() => rm(root, { recursive: true, force: true }))

describe('a process that runs a service', () => {
  it('stays alive while its broker is away, goes on with it, and ends when the service is closed', async () => {
    const directory = join(root, 'away')
    const first = await embedded(directory)
    const { host, port } = first.bootstrap[0]
    const child = new Command([`${host}:${port}`], {}, program)
    await child.printed('running\n')
    await first.close()
    await sleep(pauseMs)
    assert.equal(child.process.exitCode, null, child.stderr)
    await using _second = await embedded(directory, { port })
    child.process.kill('SIGTERM')
    const { code, stdout, stderr } = await child.ended
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'running\nclosed\n')
  })

  it('waits for a broker that is not there yet', async () => {
    const directory = join(root, 'early')
    const first = await embedded(directory)
    const { host, port } = first.bootstrap[0]
    await first.close()
    const child = new Command([`${host}:${port}`], {}, program)
    await sleep(pauseMs)
    assert.equal(child.process.exitCode, null, child.stderr)
    await using _second = await embedded(directory, { port })
    await child.printed('running\n')
    child.process.kill('SIGTERM')
    const { code, stderr } = await child.ended
    assert.equal(code, 0, stderr)
  })
})

describe('a start that is given up', () => {
  let broker: EmbeddedBroker
  before(async () => {
    broker = await embedded(join(root, 'aborted'))
  })
  after(() => broker.close())

  it('before it began rejects with the reason and dials nobody', async () => {
    const open = new Connections(broker.dial)
    const reason = new Error('changed my mind')
    const start = run([checkout, desk], {
      broker: { ...broker, dial: open.dial },
      signal: AbortSignal.abort(reason),
    })
    await assert.rejects(start, (error) => error === reason)
    assert.equal(open.dialled, 0)
  })

  it('half way rejects with the reason and leaves neither connections nor members', async () => {
    const open = new Connections(broker.dial)
    const reason = new Error('changed my mind')
    const giveUp = new AbortController()
    open.onDial = () => giveUp.abort(reason)
    const start = run([checkout, desk], {
      broker: { ...broker, dial: open.dial },
      signal: giveUp.signal,
    })
    await assert.rejects(start, (error) => error === reason)
    await open.none()
    const groups = await withCluster(broker, listGroups)
    assert.deepEqual(
      groups.filter(({ state }) => state !== 'Empty'),
      [],
    )
  })

  it('does not concern services that run already', async () => {
    const giveUp = new AbortController()
    await using app = await run([checkout, desk], { broker, signal: giveUp.signal })
    giveUp.abort()
    await app.caughtUp()
    assert.equal(await app.query.desk.perCustomer.get('ada'), 2)
    assert.equal(app.stats().desk.state, 'running')
  })
})

describe('services of which one does not start', () => {
  it('are closed, and the error is the one of that service', async () => {
    await using broker = await embedded(join(root, 'one'))
    const open = new Connections(broker.dial)
    const wrong = {
      ...checkout,
      name: 'wrong',
      build: () => ({ ...checkout.build(), service: '' }),
    }
    const start = run([desk, wrong], { broker: { ...broker, dial: open.dial } })
    await assert.rejects(start, (error) => isHeadwaterError(error) && /''/.test(error.message))
    await open.none()
  })
})

/** Counts the connections that are dialled through it and still open. */
class Connections {
  readonly dial: Dial
  readonly #open = new Set<Duplex>()
  dialled = 0
  onDial: () => void = () => {}
  #changed = Promise.withResolvers<void>()

  constructor(dial: Dial) {
    this.dial = async (host, port) => {
      this.dialled++
      this.onDial()
      const connection = await dial(host, port)
      this.#open.add(connection)
      const closed = () => {
        this.#open.delete(connection)
        this.#changed.resolve()
      }
      return {
        ...delegate(connection),
        onClose: (callback) =>
          connection.onClose((error) => {
            closed()
            callback(error)
          }),
      }
    }
  }

  /** Resolves when all are closed. */
  async none(): Promise<void> {
    while (this.#open.size > 0) {
      this.#changed = Promise.withResolvers()
      await this.#changed.promise
    }
  }
}

function delegate(to: Duplex): Omit<Duplex, 'onClose'> {
  return {
    remote: to.remote,
    local: to.local,
    write: (chunks) => to.write(chunks),
    drained: () => to.drained(),
    onBytes: (reader) => to.onBytes(reader),
    pause: () => to.pause(),
    resume: () => to.resume(),
    close: () => to.close(),
    destroy: () => to.destroy(),
  }
}
