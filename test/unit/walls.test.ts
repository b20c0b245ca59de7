/** The walls of `walls.ts` stand: what each file of `src` imports is what its room may import. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, it } from 'node:test'
import { nodeModules, optionalPackages, packages, rooms, subRooms } from './walls.ts'

const root = join(import.meta.dirname, '../..')
const src = join(root, 'src')
const architecture = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
const files = globSync('**/*.ts', { cwd: src }).toSorted()
const walls = { ...rooms, ...subRooms }
/** Rooms that stand wholly in sub-rooms. */
const divided = new Set(Object.keys(subRooms).map(roomOf))

describe('the walls', () => {
  it('stand around every room and every sub-room', () => {
    const outside = files.filter((file) => !isDoor(file) && placeOf(file) === undefined)
    assert.deepEqual(outside, [])
  })

  it('let a file import only what its room may import', () => {
    const breaches = imports().filter(({ file, target }) => {
      if (isDoor(file)) return false
      const from = placeOf(file)!
      return placeOf(target) !== from && !isIn(target, walls[from]!)
    })
    assert.deepEqual(breaches, [])
  })

  it('of a sub-room are no lower than those of its room', () => {
    const breaches = Object.entries(subRooms).flatMap(([subRoom, mayImport]) =>
      mayImport
        .filter((each) => roomOf(each) !== roomOf(subRoom))
        .filter((each) => !rooms[roomOf(subRoom)]!.includes(roomOf(each)))
        .map((each) => `${subRoom} -> ${each}`),
    )
    assert.deepEqual(breaches, [])
  })

  it('leave no way round in a circle', () => {
    const places = [
      ...Object.keys(rooms).filter((room) => !divided.has(room)),
      ...Object.keys(subRooms),
    ]
    const next = (place: string) =>
      places.filter((each) => each !== place && isIn(each, walls[place]!))
    const circles = places.filter((place) => reachable(next(place), next).has(place))
    assert.deepEqual(circles, [])
  })

  it('keep the doors for users: nothing inside imports an index.ts', () => {
    const breaches = imports().filter(({ target }) => isDoor(target) && !target.includes('/gen/'))
    assert.deepEqual(breaches, [])
  })

  it('keep what is not ours, and Node, where the tables name them', () => {
    const breaches = foreign().filter(({ file, name }) => {
      const mayImport = name.startsWith('node:')
        ? nodeModules[name]
        : (packages[name] ?? optionalPackages[name])
      return mayImport === undefined || !isIn(file, mayImport)
    })
    assert.deepEqual(breaches, [])
  })

  it('name the packages that come along with ours, and no others', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly dependencies: Readonly<Record<string, string>>
      readonly peerDependencies: Readonly<Record<string, string>>
      readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>
    }
    const { dependencies, peerDependencies, peerDependenciesMeta } = manifest
    // Those that are not optional are installed by themselves, once for all who want them.
    const peers = Object.keys(peerDependencies).filter((name) => !(name in peerDependenciesMeta))
    const installed = [...Object.keys(dependencies), ...peers].toSorted()
    assert.deepEqual(installed, Object.keys(packages).toSorted())
    for (const name of Object.keys(optionalPackages)) {
      assert.ok(name in manifest.peerDependencies)
      assert.deepEqual(manifest.peerDependenciesMeta[name], { optional: true })
    }
  })

  it('leave the clock to io: no other room makes a Date of now', () => {
    const breaches = files.filter(
      (file) => !isIn(file, ['io', 'cli']) && /\bnew Date\(\)/.test(textOf(file)),
    )
    assert.deepEqual(breaches, [])
  })

  it('stand in the docs as they stand here', () => {
    const rows = architecture
      .split('\n')
      .flatMap((line) => [...line.matchAll(/^\| `([\w-]+\/[\w./-]+)` \| ([^|]*) \|/g)])
      .map(([, place, mayImport]) => [place, mayImport] as const)
    const drawn = Object.entries(subRooms).map(([place, mayImport]) => {
      const own = `${roomOf(place)}/`
      const names = mayImport.map((each) => `\`${each.replace(own, '')}\``)
      return [place, names.join(', ') || '—']
    })
    assert.deepEqual(rows, drawn)
  })

  it('hold the files that the path of an event names', () => {
    const steps = [...architecture.matchAll(/^\| \d+ \| ([^|]*) \|/gm)].flatMap(([, where]) => [
      ...where!.matchAll(/`([\w-]+\/[\w/-]+)`/g),
    ])
    const missing = steps.map(([, name]) => `${name}.ts`).filter((file) => !files.includes(file))
    assert.ok(steps.length >= 12)
    assert.deepEqual(missing, [])
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

/** What comes from Node or the registry, by package: `@bufbuild/protobuf/wkt` is `@bufbuild/protobuf`. */
function foreign(): { file: string; name: string }[] {
  return files.flatMap((file) =>
    specifiersOf(file)
      .filter((specifier) => !specifier.startsWith('.'))
      .map((specifier) => {
        const parts = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1)
        return { file, name: specifier.startsWith('node:') ? specifier : parts.join('/') }
      }),
  )
}

function specifiersOf(file: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s*['"]([^'"]+)['"]/g
  return [...textOf(file).matchAll(pattern)].map((match) => (match[1] ?? match[2] ?? match[3])!)
}

/** The sub-room, or the room that has none, in which a file stands. */
function placeOf(file: string): string | undefined {
  const room = roomOf(file)
  if (!divided.has(room)) return room in rooms ? room : undefined
  return Object.keys(subRooms).find((subRoom) => isIn(file, [subRoom]))
}

function isIn(file: string, places: readonly string[]): boolean {
  return places.some((place) => file === place || file.startsWith(`${place}/`))
}

function reachable(
  from: readonly string[],
  next: (place: string) => readonly string[],
): ReadonlySet<string> {
  const seen = new Set(from)
  for (const place of seen) for (const each of next(place)) seen.add(each)
  return seen
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file
}

function isDoor(file: string): boolean {
  return file === 'index.ts' || file.endsWith('/index.ts')
}

function textOf(file: string): string {
  return readFileSync(join(src, file), 'utf8')
}
