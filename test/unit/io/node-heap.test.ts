/** How far a heap grows before V8 marks it, as a process of its own shows it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { growthPercentOf, smallHeapBytesMax, youngHeapBytesMax } from '../../../src/io/node-heap.ts'

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

/** Much that lives for a while, as in a start with many logs. */
const manyYoung = `
  let kept = []
  for (let round = 0; round < 400; round++) {
    for (let i = 0; i < 2_000; i++) kept.push({ round, i, name: 'n' + i })
    if (kept.length > 200_000) kept = []
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { getHeapSpaceStatistics } = await import('node:v8')
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')
  console.log(young.space_size)
`
const shaped = `
  const { shapeHeap } = await import(${JSON.stringify(heap)})
  shapeHeap()
`

async function outputOf(program: string, ...options: string[]): Promise<string> {
  const args = [...options, '--input-type=module', '--eval', program]
  return (await promisify(execFile)(process.execPath, args)).stdout
}

async function marksOf(program: string): Promise<number> {
  const lines = (await outputOf(program, '--trace-gc')).split('\n')
  return lines.filter((line) => line.includes('Mark-Compact')).length
}

describe('a small heap', () => {
  it('is marked less often when it is let grow', async () => {
    const left = await marksOf(work)
    const grown = await marksOf(shaped + work)
    assert.ok(grown < left, `${grown} times, and ${left} when it is left to V8`)
  })

  it('is one below the bound, and what is larger is left to V8', () => {
    assert.equal(growthPercentOf(0), 300)
    assert.equal(growthPercentOf(smallHeapBytesMax - 1), 300)
    assert.equal(growthPercentOf(smallHeapBytesMax), 0)
  })
})

describe('the young part of a heap', () => {
  it('stays small', async () => {
    const left = Number(await outputOf(manyYoung))
    const bounded = Number(await outputOf(shaped + manyYoung))
    assert.ok(left > 2 * youngHeapBytesMax, `${left} bytes when it is left to V8`)
    assert.ok(
      bounded <= 2 * youngHeapBytesMax,
      `${bounded} bytes, and ${left} when it is left to V8`,
    )
  })
})
