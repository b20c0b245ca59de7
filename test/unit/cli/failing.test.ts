/** A process whose service fails for good, and one that is told to end. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { embedded } from '../../../src/broker/embedded.ts'
import { Command } from '../../airline/command.ts'

const modules = join(import.meta.dirname, 'modules')
/** What `docs/operations/running.md` promises, without a broker that answers. */
const endMs = 15_000

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'headwater-failing-'))
})
after(() => rm(root, { recursive: true, force: true }))

describe('a process whose service fails for good', () => {
  const program = join(modules, 'failing-use.ts')

  it('ends with that error when nobody listens', async () => {
    const command = new Command([join(root, 'unheard')], {}, program)
    const late = setTimeout(() => command.process.kill('SIGKILL'), endMs)
    const { code, stderr } = await command.ended
    clearTimeout(late)
    assert.equal(code, 1, stderr)
    assert.match(stderr, /operator-failed/)
    assert.match(stderr, /no more orders/)
  })

  for (const how of ['listen', 'wait']) {
    it(`goes on when somebody hears of it: ${how}`, async () => {
      const { code, stdout, stderr } = await new Command([join(root, how), how], {}, program).ended
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^heard: .*no more orders/)
    })
  }
})

describe('SIGTERM', () => {
  it('has what was processed committed, and the next start goes on there', async () => {
    const args = ['run', join(modules, 'shop.ts'), '--json', '--dir', join(root, 'drained')]
    const ports = ['--port', '0', '--query-port', '0']
    const command = new Command([...args, ...ports])
    await command.printed('\n')
    const { queryUrl } = JSON.parse(command.stdout) as { queryUrl: string }
    while ((await fetch(`${queryUrl}/v1/desk/perCustomer/ada`)).status !== 200);
    command.process.kill('SIGTERM')
    const { code, stderr } = await command.ended
    assert.equal(code, 0, stderr)
    const again = await new Command([...args, ...ports, '--exit']).ended
    const lines = again.stdout.trim().split('\n')
    const counts = lines.map((line) => JSON.parse(line) as { service?: string; recordsIn?: number })
    const desk = counts.find(({ service }) => service === 'desk')
    assert.equal(desk!.recordsIn, 0, 'nothing was processed twice')
  })

  it('ends the process in time also when the broker is gone', async () => {
    const broker = await embedded(join(root, 'gone'))
    const [{ host, port }] = broker.bootstrap
    const at = ['--broker', `${host}:${port}`, '--query-port', '0', '--json']
    const command = new Command(['run', join(modules, 'shop.ts'), ...at])
    await command.printed('\n')
    await broker.close()
    const from = performance.now()
    command.process.kill('SIGTERM')
    const { code, stderr } = await command.ended
    assert.equal(code, 0, stderr)
    assert.ok(performance.now() - from < endMs, `took ${performance.now() - from} ms`)
  })
})
