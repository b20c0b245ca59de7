/**
 * The guide "from an empty folder" is followed to the letter, by npm and by pnpm, with the package as it would be
 * published; and the package on an older Node, and in a container's install without development's packages.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { readPage, root, snippetsOf } from '../unit/docs/markdown.ts'
import { Reader } from './guide.ts'
import { serveRegistry } from './registry.ts'
import type { Registry } from './registry.ts'

const run = promisify(execFile)
const page = 'docs/guides/from-an-empty-folder.md'
/** A version of an older Node's that is in the registry as a package, for this platform. */
const oldNode = `node-${process.platform}-${process.arch}@20`

let directory: string
let registry: Registry
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-guide-'))
  await run(process.execPath, [join(root, 'scripts/build.ts')])
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], {
    cwd: root,
  })
  const [{ filename }] = JSON.parse(stdout) as [{ readonly filename: string }]
  const manifest = await readFile(join(root, 'package.json'), 'utf8')
  await run('npm', ['install', '--prefix', directory, '--no-save', 'pnpm@12.21.0'])
  registry = await serveRegistry(join(directory, filename), manifest)
})
after(async () => {
  await registry[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

describe('the guide from an empty folder', { concurrency: true }, () => {
  it('does what it says, by npm, and what it made runs where only its own dependencies are', async () => {
    await using reader = await readerOf('npm', (command) => command)
    for (const snippet of snippetsOf(readPage(page))) await reader.follow(snippet)
    await reader.stop()
    const project = reader.here
    await run('rm', ['-rf', join(project, 'node_modules'), join(project, 'proto')])
    await reader.run('npm ci --omit=dev')
    await rm(join(project, 'data'), { recursive: true })
    await reader.start('node src/main.ts')
    const customer = 'http://127.0.0.1:3000/customers/eve'
    await reader.run(`curl -s -X POST ${customer}/orders -d '{"item":"tea","cents":400}'`)
    await reader.prints(`curl -s ${customer}`, '{"orders":1,"cents":400}')
  })

  it('does what it says, by pnpm', async () => {
    await using reader = await readerOf('pnpm', (command) =>
      command
        .replace(/^npx headwater init/, 'pnpm dlx headwater init')
        .replace(/^npx headwater/, 'pnpm exec headwater')
        .replace(/^npm (?=install|test|start|run)/, 'pnpm '),
    )
    for (const snippet of snippetsOf(readPage(page))) await reader.follow(snippet)
  })
})

describe('the command', () => {
  it('says on Node 20 that it needs Node 24', async () => {
    const place = join(directory, 'old')
    await run('npm', ['install', '--prefix', place, '--no-save', oldNode])
    const node = join(place, 'node_modules', oldNode.replace(/@.*/, ''), 'bin/node')
    const bin = join(root, 'bin/headwater.mjs')
    await assert.rejects(run(node, [bin, 'init', join(place, 'x')]), {
      code: 1,
      stderr: /^headwater: needs Node 24 or newer, and this is Node 20\.\d+\.\d+: see \S+\n$/,
    })
  })
})

/**
 * A reader in an empty folder, whose package managers have caches of their own and know our registry. Ports are
 * not those of the guide, which may be in use here.
 */
async function readerOf(name: string, asRun: (command: string) => string): Promise<Reader> {
  const tools = join(directory, 'node_modules/.bin')
  const [port, kafka] = [await freePort(), await freePort()]
  const home = await mkdtemp(join(directory, `${name}-`))
  const here = await mkdtemp(join(home, 'empty-'))
  return new Reader(here, {
    url: `http://127.0.0.1:${port}/`,
    asRun: (command) =>
      asRun(
        command
          .replaceAll(':3000', `:${port}`)
          .replace(/^npm run dev$/, `npx headwater dev src/main.ts --port ${kafka}`)
          .replace(/ rebuild /, `$&--broker 127.0.0.1:${kafka} `),
      ),
    env: {
      ...withoutNpm(process.env),
      HOME: home,
      PATH: [dirname(process.execPath), tools, process.env['PATH']].join(':'),
      PORT: String(port),
      NO_COLOR: '1',
      npm_config_yes: 'true',
      npm_config_registry: registry.url,
      pnpm_config_registry: registry.url,
    },
  })
}

/** What `npm run` tells those it starts is about this repository. */
function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^npm_|^NODE_TEST_CONTEXT$/i.test(name)),
  )
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
