/** Where flags come from when they are not on the command line. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Command } from 'commander'
import { parsePort } from '../../../src/cli/arguments.ts'
import { newProgram } from '../../../src/cli/program.ts'
import { addHostOptions, jsonOption } from '../../../src/cli/options.ts'
import { Command as Program } from '../../airline/command.ts'
import type { CommandRun } from '../../airline/command.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'headwater-settings-'))
})
after(() => rm(root, { recursive: true, force: true }))

let files = 0
async function fileOf(content: unknown): Promise<string> {
  const path = join(root, `${++files}.json`)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** What a program with all flags of a host understands of its arguments, its environment and a file. */
async function understood(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  file?: unknown,
): Promise<Record<string, unknown>> {
  let options: Record<string, unknown> = {}
  const program: Command = addHostOptions(newProgram('program'), 'data')
    .option('--extra <port>', 'one of its own', parsePort)
    .option('--exit', 'end')
    .addOption(jsonOption('JSON'))
    .configureOutput({ writeErr: () => {} })
    .action((given: Record<string, unknown>) => {
      options = given
    })
  const all = file === undefined ? args : [...args, '--config', await fileOf(file)]
  for (const [name, value] of Object.entries(env)) process.env[name] = value
  try {
    await program.parseAsync(all, { from: 'user' })
    return options
  } finally {
    for (const name of Object.keys(env)) delete process.env[name]
  }
}

describe('a flag', () => {
  it('beats the variable, which beats the file, which beats the default', async () => {
    const env = { HEADWATER_QUERY_PORT: '3' }
    const file = { queryPort: 2 }
    const of = async (...given: Parameters<typeof understood>) =>
      (await understood(...given))['queryPort']
    assert.equal(await of([]), 8092)
    assert.equal(await of([], {}, file), 2)
    assert.equal(await of([], env, file), 3)
    assert.equal(await of(['--query-port', '4'], env, file), 4)
    assert.equal(await of([], { HEADWATER_QUERY_PORT: '' }, file), 2, 'an empty one says nothing')
    const off = await understood([], { HEADWATER_EXIT: 'false' }, { exit: true })
    assert.equal(off['exit'], false, 'one that says no beats a file that says yes')
  })

  it('is in the environment and in the file what it is on the command line', async () => {
    const env = {
      HEADWATER_LISTENER: 'A=127.0.0.1:1,B=[::1]:2',
      HEADWATER_EXIT: 'true',
      HEADWATER_JSON: '0',
      HEADWATER_EXTRA: '5',
    }
    const listener = [
      { name: 'A', host: '127.0.0.1', port: 1 },
      { name: 'B', host: '::1', port: 2 },
    ]
    const byEnv = await understood([], env)
    assert.partialDeepStrictEqual(byEnv, { listener, exit: true, extra: 5 })
    assert.equal(byEnv['json'], false)
    const byFile = await understood(
      [],
      {},
      {
        listener: ['A=127.0.0.1:1', 'B=[::1]:2'],
        exit: true,
        json: false,
        durability: 'os',
        instanceId: 'a',
        readyLag: 10,
        logLevel: 'warn',
      },
    )
    assert.partialDeepStrictEqual(byFile, {
      listener,
      exit: true,
      durability: 'os',
      instanceId: 'a',
      readyLag: 10,
      logLevel: 'warn',
    })
    assert.equal(byFile['json'], false)
  })

  const secret = 'kafka://a:hush@b'
  const refused: [what: string, env: Record<string, string>, file: unknown, message: RegExp][] = [
    [
      'a name that is none',
      {},
      { queryProt: 1, query_port: 2, broker: secret },
      /has 'queryProt', 'query_port', which no flag is called: there are .*queryPort/,
    ],
    [
      'a wrong value of the file',
      {},
      { queryPort: 'x' },
      /queryPort in .*--query-port takes.*0 to/,
    ],
    ['a list for one value', {}, { broker: [secret] }, /broker in .*Write a text or a number/],
    ['a wrong choice', {}, { durability: 'hush' }, /Write one of disk, os, memory/],
    ['a switch that is neither', {}, { exit: 'hush' }, /--exit takes: Write true or false/],
    [
      'a wrong value of a variable',
      { HEADWATER_PORT: 'hush' },
      {},
      /variable HEADWATER_PORT.*--port/,
    ],
    [
      'what is no JSON',
      {},
      `{ "broker": "${secret}", }`,
      /is no JSON( at character \d+)?: correct it/,
    ],
    ['what is no object', {}, `"${secret}"`, /is no JSON object/],
  ]
  for (const [what, env, file, message] of refused) {
    it(`is refused by name, and not repeated: ${what}`, async () => {
      await assert.rejects(understood([], env, file), (error: Error) => {
        assert.match(error.message, message)
        assert.ok(!error.message.includes('hush'), error.message)
        return true
      })
    })
  }

  it('of another program is no mistake in a file or an environment that all of them share', async () => {
    const path = await fileOf({ metricsPort: 0, flights: 1, onTopicReplaced: 'stop', queryProt: 1 })
    const known = await Promise.all(
      [['broker'], ['run', 'none.ts'], ['start']].map(async (args) => {
        const { stderr } = await soonEnded(new Program([...args, '--config', path]))
        return /has 'queryProt', which no flag is called: there are (.*)/.exec(stderr)?.[1]
      }),
    )
    assert.match(known[0]!, /flights.*metricsPort.*onTopicReplaced/)
    assert.deepEqual(known, [known[0], known[0], known[0]])
    const env = { HEADWATER_FLIGHTS: '1', HEADWATER_METRICS_PORT: '0', HEADWATER_QUERY_PROT: '1' }
    assert.deepEqual((await understood([], env))['strangers'], ['HEADWATER_QUERY_PROT'])
  })

  it('is not taken from a file that cannot be read, which is said as it is', async () => {
    await assert.rejects(understood(['--config', root]), { code: 'EISDIR' })
  })

  it('overrules what it excludes in the file, but not in the environment', async () => {
    const { broker, dir, overruled } = await understood(
      ['--dir', 'here'],
      {},
      {
        broker: 'b:1',
        queryPort: 1,
      },
    )
    assert.deepEqual(
      { broker, dir, overruled },
      {
        broker: undefined,
        dir: 'here',
        overruled: ['broker'],
      },
    )
    await assert.rejects(understood(['--dir', 'here'], { HEADWATER_BROKER: 'b:1' }), {
      message: /variable 'HEADWATER_BROKER' cannot be used with option '--dir/,
    })
    await assert.rejects(understood([], {}, { broker: 'b:1', dir: 'here' }), {
      message: /'(dir|broker)' in the file cannot be used with '(dir|broker)' in the file/,
    })
  })
})

/** A program that takes what it should refuse goes on for ever. */
async function soonEnded(command: Program): Promise<CommandRun> {
  const late = setTimeout(() => command.process.kill('SIGKILL'), 5_000)
  try {
    return await command.ended
  } finally {
    clearTimeout(late)
  }
}
