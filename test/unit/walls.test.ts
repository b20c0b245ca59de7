/**
 * The walls of the house as data: which room may import which. `docs/architecture.md` says why each stands.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, it } from 'node:test'

const src = join(import.meta.dirname, '../../src')

const rooms: Record<string, readonly string[]> = {
  base: [],
  io: ['base'],
  protocol: ['base'],
  records: ['base'],
  log: ['records', 'io', 'base'],
  coordinator: ['protocol', 'base'],
  schema: ['base'],
  broker: ['log', 'coordinator', 'protocol', 'records', 'io', 'base'],
  client: ['protocol', 'records', 'io', 'base'],
  events: ['schema', 'base'],
  streams: ['client', 'events', 'schema', 'records', 'io', 'base'],
  service: ['streams', 'events', 'schema', 'base'],
  query: ['streams', 'events', 'schema', 'io', 'base'],
  testing: [
    'service',
    'streams',
    'events',
    'schema',
    'broker',
    'client',
    'coordinator',
    'log',
    'protocol',
    'records',
    'io',
    'base',
  ],
  cli: [
    'query',
    'service',
    'streams',
    'events',
    'schema',
    'broker',
    'client',
    'log',
    'protocol',
    'records',
    'io',
    'base',
  ],
}

/** Rooms that hold rules only: of Node they may use compression and hashes, nothing that does I/O. */
const pureRooms = new Set(['base', 'protocol', 'records', 'coordinator', 'schema', 'events'])
const pureNodeModules = new Set(['node:zlib', 'node:crypto'])
/** Rooms that may use Node's own modules: the door to the world, and the composition root. */
const nodeRooms = new Set(['io', 'cli'])

const files = globSync('**/*.ts', { cwd: src }).toSorted()

describe('the walls', () => {
  it('stand around every room', () => {
    const found = new Set(files.filter((file) => file.includes('/')).map(roomOf))
    assert.deepEqual(
      [...found].filter((room) => !(room in rooms)),
      [],
    )
  })

  it('let a file import only the rooms below it', () => {
    const breaches = imports().flatMap(({ file, target }) => {
      const from = roomOf(file)
      const to = roomOf(target)
      const open = from === to || rooms[from]?.includes(to) || isDoor(file)
      return open ? [] : [`src/${file} -> ${target}`]
    })
    assert.deepEqual(breaches, [])
  })

  it('keep the doors for users: nothing inside imports an index.ts', () => {
    const breaches = imports().filter(({ target }) => isDoor(target) && !target.includes('/gen/'))
    assert.deepEqual(breaches, [])
  })

  it('keep Node out of the rooms that hold rules, and behind io everywhere else', () => {
    const breaches = nodeImports().filter(({ file, module }) => {
      const room = roomOf(file)
      if (nodeRooms.has(room)) return false
      return !pureNodeModules.has(module) || !(pureRooms.has(room) || room === 'testing')
    })
    assert.deepEqual(breaches, [])
  })

  it('leave the clock to io: no other room makes a Date of now', () => {
    const breaches = files.filter(
      (file) => !nodeRooms.has(roomOf(file)) && /\bnew Date\(\)/.test(textOf(file)),
    )
    assert.deepEqual(breaches, [])
  })
})

function imports(): { file: string; target: string }[] {
  return files.flatMap((file) =>
    specifiersOf(file)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => ({
        file,
        target: relative(src, normalize(join(src, dirname(file), specifier))),
      })),
  )
}

function nodeImports(): { file: string; module: string }[] {
  return files.flatMap((file) =>
    specifiersOf(file)
      .filter((specifier) => specifier.startsWith('node:'))
      .map((module) => ({ file, module })),
  )
}

function specifiersOf(file: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s*['"]([^'"]+)['"]/g
  return [...textOf(file).matchAll(pattern)].map((match) => (match[1] ?? match[2] ?? match[3])!)
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : 'door'
}

function isDoor(file: string): boolean {
  return file === 'index.ts' || file.endsWith('/index.ts')
}

function textOf(file: string): string {
  return readFileSync(join(src, file), 'utf8')
}
