import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Gate } from '../../../src/base/gate.ts'

it('a gate lets so many through at a time, in their order, whether they fail or not', async () => {
  const gate = new Gate(2)
  const done: number[] = []
  let atWork = 0
  let most = 0
  const work = (at: number) => async (): Promise<void> => {
    most = Math.max(most, ++atWork)
    await new Promise((resolve) => setImmediate(resolve))
    atWork--
    done.push(at)
    if (at === 1) throw new Error('one that fails')
  }
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map((at) => gate.pass(work(at))))
  assert.deepEqual(done, [0, 1, 2, 3, 4])
  assert.equal(most, 2)
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 1)
})

it('a gate lets parties through by turns, however much one of them asks for', async () => {
  const gate = new Gate(1)
  const done: string[] = []
  const [greedy, modest] = [{}, {}]
  const work = (name: string) => async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    done.push(name)
  }
  const all = ['a', 'b', 'c', 'd'].map((name) => gate.pass(work(name), greedy))
  all.push(gate.pass(work('x'), modest), gate.pass(work('y'), modest))
  await Promise.all(all)
  assert.deepEqual(done, ['a', 'b', 'x', 'c', 'y', 'd'])
  await gate.pass(work('again'), greedy)
  assert.equal(done.at(-1), 'again')
})
