/** How far a heap grows before V8 marks it, as a process of its own shows it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { growthPercentOf, smallHeapBytesMax } from '../../../src/io/node-heap.ts'

const heap = join(import.meta.dirname, '../../../src/io/node-heap.ts')

/** A heap of a broker's size, while bytes come and go outside it at a broker's pace; some stay for a while. */
const work = `
  const live = Array.from({ length: 100_000 }, (_, id) => ({ id, name: 'n' + id }))
  const kept = []
  for (let round = 0; round < 4000; round++) {
    kept[round % 128] = { bytes: new Uint8Array(64 * 1024), of: live[round] }
    if (round % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }
`

async function marksOf(program: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--trace-gc',
    '--input-type=module',
    '--eval',
    program,
  ])
  return stdout.split('\n').filter((line) => line.includes('Mark-Compact')).length
}

describe('a small heap', () => {
  it('is marked less often when it is let grow', async () => {
    const left = await marksOf(work)
    const grown = await marksOf(`
      const { letSmallHeapGrow } = await import(${JSON.stringify(heap)})
      letSmallHeapGrow()
      ${work}
    `)
    assert.ok(grown < left, `${grown} times, and ${left} when it is left to V8`)
  })

  it('is one below the bound, and what is larger is left to V8', () => {
    assert.equal(growthPercentOf(0), 300)
    assert.equal(growthPercentOf(smallHeapBytesMax - 1), 300)
    assert.equal(growthPercentOf(smallHeapBytesMax), 0)
  })
})
