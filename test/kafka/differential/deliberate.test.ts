/** The table of deliberate differences is the one that docs/protocol.md shows. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { deliberate } from './deliberate.ts'

test('docs/protocol.md says where answers differ from Kafka’s, and why', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/protocol.md'), 'utf8')
  const section = page.slice(page.indexOf('## Where answers differ'))
  const rows = section.slice(0, section.indexOf('\n## ')).match(/^\| .+ \|$/gm) ?? []
  const expected = Object.entries(deliberate).map(
    ([what, { kafka, ours, why }]) => `| ${what} | \`${kafka}\` | \`${ours}\` | ${why} |`,
  )
  assert.deepEqual(rows.slice(1), expected)
})
