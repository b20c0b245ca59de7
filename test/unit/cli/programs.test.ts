/** What programs that stay up serve, say, and take their flags from, as whoever starts them sees it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Command, runCommand } from '../../airline/command.ts'
import { valuesOf } from '../operations/observed.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'headwater-programs-'))
})
after(() => rm(root, { recursive: true, force: true }))

describe('a program that stays up', () => {
  it('takes the file of its working directory, says so, and serves metrics where it is told', async () => {
    const config = { port: 0, metricsPort: 0, queryPort: 1, dir: join(root, 'broker') }
    await writeFile(join(root, 'headwater.config.json'), JSON.stringify(config))
    const main = join(import.meta.dirname, '../../../src/cli/main.ts')
    const env = { HEADWATER_METRIC_PORT: 'hush', HEADWATER_BROKER_PASSWORD: 'hush' }
    const command = new Command(['broker', '--json'], env, main, root)
    await command.printed('\n')
    const { metricsUrl, port } = JSON.parse(command.stdout) as { metricsUrl: string; port: number }
    const topics = await runCommand(['topics', 'create', 'x', '--broker', `127.0.0.1:${port}`])
    assert.equal(topics.code, 0, topics.stderr)
    const values = valuesOf(await (await fetch(`${metricsUrl}/metrics`)).text())
    assert.equal(values.get('headwater_broker_topics'), 1)
    assert.equal(values.get('headwater_broker_requests_total{api="CreateTopics"}'), 1)
    assert.equal((await fetch(`${metricsUrl}/health/ready`)).status, 200)
    assert.equal((await fetch(`${metricsUrl}/`)).status, 404)
    command.process.kill('SIGTERM')
    const { code, stderr } = await command.ended
    assert.equal(code, 0, stderr)
    assert.ok(!stderr.includes('hush'), stderr)
    const [stranger, taken] = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { level: string; strangers?: string[]; config?: string })
    assert.equal(stranger!.level, 'warn')
    assert.deepEqual(stranger!.strangers, ['HEADWATER_METRIC_PORT'])
    assert.equal(taken!.level, 'info')
    assert.match(taken!.config!, /headwater\.config\.json$/)
    await rm(join(root, 'headwater.config.json'))
  })

  it('names the variable of each flag in its help', async () => {
    for (const [command, own] of [
      ['broker', 'HEADWATER_METRICS_PORT'],
      ['run', 'HEADWATER_READY_LAG'],
      ['start', 'HEADWATER_FLIGHTS'],
    ] as const) {
      const { stdout } = await runCommand([command, '--help'])
      const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, flag]) => flag!)
      assert.ok(flags.length > 8, stdout)
      const text = stdout.replace(/\s+/g, ' ')
      for (const flag of flags.filter((each) => each !== 'help')) {
        const variable = `HEADWATER_${flag.replaceAll('-', '_').toUpperCase()}`
        assert.ok(text.includes(`[${variable}]`), `${command}: ${variable}`)
      }
      assert.ok(text.includes(`[${own}]`))
    }
    const { stdout } = await runCommand(['tail', '--help'])
    assert.match(stdout, /HEADWATER_BROKER/)
    assert.doesNotMatch(stdout, /HEADWATER_FROM/)
  })

  it('says only what matters enough, and never a secret', async () => {
    const broker = 'kafka://ada:hush@127.0.0.1:9?sasl=plain'
    const args = ['run', join(import.meta.dirname, 'modules/shop.ts'), '--query-port', '0']
    const env = { HEADWATER_BROKER: broker, HEADWATER_LOG_LEVEL: 'debug' }
    const { code, stderr } = await new Command(args, env).ended
    assert.equal(code, 1)
    assert.ok(!stderr.includes('hush'), stderr)
    const entries = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { level: string; error?: { code: string } })
    assert.partialDeepStrictEqual(entries.at(-1), {
      level: 'error',
      error: { code: 'connection-failed' },
    })
  })
})
