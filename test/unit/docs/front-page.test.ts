/** What the front page shows and no other test looks at. `claims.test.ts` says which test holds which sentence. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { AirportDays, Airports, Disruptions, Flights } from '../../../examples/airline/contracts.ts'
import { readFlights } from '../../../examples/airline/flights-file.ts'
import { drawResult } from '../../../examples/airline/result.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import { drawProgress } from '../../../src/cli/progress.ts'
import { Command } from '../../airline/command.ts'
import { expectedTables } from '../../airline/expected.ts'
import { pages, readPage, root } from './markdown.ts'

const page = readPage('README.md')
const flights = 300_000

describe('the front page', () => {
  it('promises the Node that comes along', () => {
    const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/node'), ['--version'])
    assert.equal(status, 0)
    assert.match(stdout.toString(), /^v24\./)
  })

  it('is right that the first 300,000 flights are of January 2001', async () => {
    const [from, to] = [Date.UTC(2001, 0, 1), Date.UTC(2001, 1, 1)]
    let rows = 0
    for await (const { dates } of readFlights(0, flights)) {
      for (const date of dates.subarray(0, flights - rows)) assert.ok(date >= from && date < to)
      rows += dates.length
    }
    assert.ok(rows >= flights)
  })

  it('shows the worst airports as the files have them', async () => {
    const { worst } = await expectedTables(flights)
    const counts = { flights, disruptions: 0, airportDays: 0, seconds: 1, flightsPerSecond: 1 }
    const lines = drawResult({ ...counts, worst }).map(stripVTControlCharacters)
    assertShown(lines.slice(0, 7))
  })

  it('shows progress as it is drawn', () => {
    const row = (name: string, recordsIn: number, recordsOut: number, lag: number) => ({
      name,
      state: 'running',
      recordsIn,
      recordsOut,
      lag,
    })
    const services = [
      row('airports', 3_376, 3_376, 0),
      row('operations', 241_664, 241_664, 0),
      row('disruption', 216_368, 3_555, 24_580),
      row('punctuality', 212_992, 3_774, 24_580),
      row('board', 7_150, 0, 0),
    ]
    const rates = [1_821, 130_355, 116_710, 114_889, 3_857]
    const load = { what: 'flights', done: 237_568, total: flights }
    const perName = new Map(services.map(({ name }, i) => [name, rates[i]!]))
    assertShown(drawProgress({ load, services }, perName).map(stripVTControlCharacters))
  })

  it('is right that the broker listens on loopback unless told otherwise', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'headwater-front-page-'))
    const broker = await embedded(directory)
    assert.equal(broker.bootstrap[0].host, '127.0.0.1')
    await broker.close()
    const command = new Command(['broker', '--json', '--port', '0', '--dir', directory])
    await command.printed('\n')
    assert.equal((JSON.parse(command.stdout) as { host: string }).host, '127.0.0.1')
    command.process.kill('SIGTERM')
    await command.ended
    await rm(directory, { recursive: true })
  })

  it('names the licence of the package', () => {
    const { license } = JSON.parse(readPage('package.json')) as { license: string }
    assert.ok(page.trimEnd().endsWith(`\n\n${license}.`))
    assert.match(readPage('LICENSE'), /Apache License\s+Version 2\.0/)
  })

  it('calls each stream of the example what its contract says', () => {
    const streams = [Flights, Airports, Disruptions, AirportDays]
    assert.deepEqual(
      streams.map(({ kind }) => kind),
      ['keyed', 'entity', 'unkeyed', 'entity'],
    )
    const contracts = globSync('examples/airline/proto/**/*.proto', { cwd: root }).map((file) =>
      readFileSync(join(root, file), 'utf8'),
    )
    for (const { name, owner } of streams) {
      const named = contracts.filter((text) => text.includes(`name: "${name}"`))
      assert.equal(named.length, 1, name)
      assert.match(named[0]!, new RegExp(`owner: "${owner}"`))
    }
  })
})

describe('every page', () => {
  for (const file of pages) {
    it(`leads somewhere with each of its links: ${file}`, () => {
      const links = [...readPage(file).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, to]) => to!)
      const dead = links.filter((to) => !existsSync(join(root, dirname(file), to)))
      assert.deepEqual(dead, [])
    })

    it(`names files that are there: ${file}`, () => {
      const rooms = readdirSync(join(root, 'src'))
      const missing = [...readPage(file).matchAll(/`([a-z][\w-]*(?:\/[\w.*-]+)+)`/g)]
        .map(([, named]) => named!)
        .filter((named) => {
          const [first] = named.split('/')
          const inside = rooms.includes(first!) ? `src/${named}` : named
          // Guides speak of the project that `headwater init` makes.
          if (file.startsWith('docs/guides/') && existsSync(join(root, 'templates/app', named))) {
            return false
          }
          // What a run leaves behind is there or not.
          const isLeft = first === 'data'
          const isOurs = rooms.includes(first!) || (!isLeft && existsSync(join(root, first!)))
          return isOurs && globSync([inside, `${inside}.ts`], { cwd: root }).length === 0
        })
      assert.deepEqual(missing, [])
    })

    it(`has lines of at most 100 characters, but for rows of tables: ${file}`, () => {
      const long = readPage(file)
        .split('\n')
        .flatMap((line, i) =>
          line.length > 100 && !line.startsWith('|') ? [`${i + 1}: ${line}`] : [],
        )
      assert.deepEqual(long, [])
    })
  }
})

/** The lines stand on the page, one after the other; the page may leave out blank ones. */
function assertShown(lines: readonly string[]): void {
  let at = 0
  for (const line of lines) {
    const found = page.indexOf(line, at)
    assert.ok(found >= 0, `the page does not show: ${line}`)
    at = found
  }
}
