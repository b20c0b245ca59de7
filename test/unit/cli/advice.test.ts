import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { before, describe, it } from 'node:test'
import { runCommand } from '../../airline/command.ts'

const source = join(import.meta.dirname, '../../../src')
/** Flags of V8, of Buf and npm, of git and protoc, not of ours. */
const foreign = new Set([
  join('io', 'node-heap.ts'),
  join('cli', 'gen-compile.ts'),
  join('cli', 'schema-git.ts'),
  join('cli', 'schema-source.ts'),
])

/** Something that a text tells somebody to write. */
interface Advice {
  readonly file: string
  readonly line: number
  readonly option: string
  /** The command it is said to be of, as far as the text or the file says. */
  readonly command: string | undefined
}

describe('what errors, notes and helps advise to write on the command line', () => {
  const options = new Map<string, Set<string>>()
  let advice: Advice[] = []
  before(async () => {
    for (const command of ['', ...(await commandNames())])
      options.set(command, await optionsOf(command))
    advice = (await Promise.all((await sourceFiles()).map(adviceIn))).flat()
  })

  it('is there: every option, and of the command it is said of', () => {
    const all = new Set([...options.values()].flatMap((each) => [...each]))
    const wrong = advice.filter(({ option, command }) => {
      const own = command === undefined ? undefined : options.get(command)
      return !(own ?? all).has(option)
    })
    assert.deepEqual(wrong, [])
    for (const { command } of advice)
      assert.ok(command === undefined || options.has(command), command)
  })

  it('was found at all: in errors, in helps, and with its command', () => {
    const has = (file: string, option: string, command: string | undefined) =>
      advice.some((each) => {
        return each.file.endsWith(file) && each.option === option && each.command === command
      })
    assert.ok(has('tail.ts', '--from', 'tail'))
    assert.ok(has('get.ts', '--all', 'get'))
    assert.ok(has('advice.ts', '--dir', 'log repair'))
    assert.ok(has('decide.ts', '--on-topic-replaced', 'run'))
    assert.ok(has('listen.ts', '--query-port', undefined))
    assert.ok(options.get('topics create')!.has('--partitions'))
  })
})

async function commandNames(): Promise<string[]> {
  const names = subCommands((await runCommand(['--help'])).stdout)
  const nested = await Promise.all(
    names.map(async (name) => {
      const { stdout } = await runCommand([name, '--help'])
      return subCommands(stdout).map((each) => `${name} ${each}`)
    }),
  )
  return [...names, ...nested.flat()]
}

function subCommands(help: string): string[] {
  const listed = /^Commands:\n((?: {2}.*\n?)+)/m.exec(help)?.[1] ?? ''
  return [...listed.matchAll(/^ {2}([a-z]+)/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'help')
}

async function optionsOf(command: string): Promise<Set<string>> {
  const { stdout, code } = await runCommand([...command.split(' '), '--help'].filter(Boolean))
  assert.equal(code, 0, command)
  const named = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, name]) => name!)
  return new Set([...named, '--help'])
}

async function sourceFiles(): Promise<string[]> {
  const files = await readdir(source, { recursive: true })
  return files.filter(
    (file) => file.endsWith('.ts') && !/\bgen[/\\]/.test(file) && !foreign.has(file),
  )
}

/** Files of the command line that belong to one command. */
const commandFiles = ['get', 'tail', 'plan', 'rebuild', 'reset', 'run']

async function adviceIn(file: string): Promise<Advice[]> {
  const lines = (await readFile(join(source, file), 'utf8')).split('\n')
  const name = basename(file, '.ts')
  const own = file.startsWith('cli') && commandFiles.includes(name) ? name : undefined
  return lines.flatMap((text, i) => {
    if (/^\s*(\*|\/\/|\/\*)/.test(text)) return []
    return [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].flatMap((match) => {
      const earlier = text.slice(0, match.index)
      // Not in a text: a number that is counted down.
      if (!/['"`]/.test(earlier)) return []
      const said = /headwater ((?:log |topics |dlq |offsets )?[a-z]+)[^`]*$/.exec(earlier)?.[1]
      return [{ file, line: i + 1, option: match[0], command: said ?? own }]
    })
  })
}
