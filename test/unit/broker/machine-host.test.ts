import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8Bytes, utf8String } from '../../../src/base/bytes.ts'
import { MachineHost } from '../../../src/broker/machines/machine-host.ts'
import { isMachineLog } from '../../../src/broker/machines/machine-log.ts'
import type { Reply } from '../../../src/coordinator/answer.ts'
import type { Machine } from '../../../src/coordinator/machine.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { LogStore } from '../../../src/log/store/log-store.ts'
import { emptyBatches } from '../../../src/log/store/salvage.ts'
import { Turns } from '../../../src/broker/turns.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { stored } from '../log/batches.ts'

type Command =
  | { readonly type: 'add'; readonly token: string; readonly word: string }
  | { readonly type: 'count'; readonly token: string }
  | { readonly type: 'park'; readonly token: string }
  | { readonly type: 'wake' }
type Change = { readonly word: string } | { readonly parked: string } | 'woken'

interface Words {
  words: string[]
  parked: string[]
  wakes: number
}

/** An answer such as no API has. */
function told(to: string, response: unknown): Reply {
  return { to, response } as Reply
}

/** Keeps words; answers what is parked when it is woken. */
const words: Machine<Words, Command, Change, string> = {
  name: 'words',
  initial: () => ({ words: [], parked: [], wakes: 0 }),
  decide: (state, command, now) => {
    switch (command.type) {
      case 'add':
        return {
          changes: [{ word: command.word }],
          replies: [told(command.token, state.words.length + 1)],
          effects: [command.word],
        }
      case 'count':
        return {
          changes: [],
          replies: [told(command.token, state.words.length)],
          effects: [],
        }
      case 'park':
        return {
          changes: [{ parked: command.token }],
          replies: [],
          effects: [],
          wakeAt: now.monotonicMs + 10,
        }
      case 'wake': {
        const replies = state.parked.map((to) => told(to, 'woken'))
        return { changes: ['woken'], replies, effects: [] }
      }
    }
  },
  apply: (state, change) => {
    if (change === 'woken') {
      state.wakes++
      state.parked = []
    } else if ('word' in change) state.words.push(change.word)
    else state.parked.push(change.parked)
  },
  encode: (change) =>
    typeof change === 'object' && 'word' in change ? utf8Bytes(change.word) : undefined,
  decode: (bytes) => ({ word: utf8String(bytes) }),
  dump: (state) => state.words.map((word) => ({ word })),
  afterReplay: () => [],
}

const turnItems = 500

async function open(disk: SimDisk, logBytesMax = 1_000_000, machine = words) {
  const store = await LogStore.open({ disk, clock: nodeClock, directory: 'data' })
  const effects: string[] = []
  const host = await MachineHost.open(machine, {
    store,
    clock: nodeClock,
    turns: new Turns(nodeClock, turnItems),
    logBytesMax,
    runEffect: (effect) => void effects.push(effect),
  })
  host.start()
  const add = (word: string) => host.call((token) => ({ type: 'add', token, word }))
  const close = async () => {
    host.close(new Error('closed'))
    await store.close()
  }
  return { store, host, effects, add, close }
}

test('a decision is applied at once and answered when it is durable', async () => {
  const { host, add, effects, close } = await open(new SimDisk({ seed: 1 }))
  let answered = false
  const answer = add('one').then((response) => {
    answered = true
    return response
  })
  assert.deepEqual(host.state.words, ['one'])
  assert.deepEqual(effects, ['one'])
  await Promise.resolve()
  assert.equal(answered, false)
  assert.equal(await answer, 1)
  await close()
})

test('an answer that rests on what is not durable yet waits for it', async () => {
  const { host, add, close } = await open(new SimDisk({ seed: 1 }))
  const order: string[] = []
  const first = add('one').then(() => order.push('add'))
  const second = host
    .call((token) => ({ type: 'count', token }))
    .then((response) => order.push(`count ${String(response)}`))
  const provisional = host.ask((token) => ({ type: 'count', token }))
  assert.equal(provisional.response, 1)
  assert.notEqual(provisional.durable, undefined)
  await Promise.all([first, second])
  assert.deepEqual(order, ['add', 'count 1'])
  const later = host.ask((token) => ({ type: 'count', token }))
  assert.equal(later.durable, undefined)
  await close()
})

test('a machine that asks for it is woken, and answers who waited', async () => {
  const { host, close } = await open(new SimDisk({ seed: 1 }))
  const keepAlive = setTimeout(() => {}, 10_000)
  assert.equal(await host.call((token) => ({ type: 'park', token })), 'woken')
  assert.equal(host.state.wakes, 1)
  clearTimeout(keepAlive)
  await close()
})

test('the state comes back from the log', async () => {
  const disk = new SimDisk({ seed: 1 })
  const before = await open(disk)
  await before.add('one')
  await before.add('two')
  await before.close()
  const after = await open(disk)
  assert.deepEqual(after.host.state.words, ['one', 'two'])
  await after.close()
})

test('a log grown long is shortened when it is opened, and nothing else changes', async () => {
  const disk = new SimDisk({ seed: 1 })
  const before = await open(disk)
  for (let i = 0; i < 50; i++) await before.add(`word ${i}`)
  const long = before.store.get('coordinator.words-1')!.sizeBytes
  await before.close()
  // The second time it is as short as it can be, and stays.
  for (let start = 0; start < 2; start++) {
    const after = await open(disk, 10)
    assert.deepEqual(after.store.names(), ['coordinator.words-2'])
    assert.ok(after.store.get('coordinator.words-2')!.sizeBytes < long / 2)
    assert.equal(after.host.state.words.length, 50)
    assert.equal(after.host.state.words[49], 'word 49')
    await after.close()
  }
})

test('a log grown long is shortened while the machine runs, with all that is decided meanwhile', async () => {
  const disk = new SimDisk({ seed: 1 })
  const before = await open(disk, 20_000)
  let largest = 0
  for (let i = 0; i < 3000; i++) {
    await before.add(`word ${i % 7}`)
    const sizes = before.store.names().map((name) => before.store.get(name)!.sizeBytes)
    largest = Math.max(largest, ...sizes)
  }
  assert.notEqual(before.store.names()[0], 'coordinator.words-1')
  assert.ok(largest < 100_000, `it came to ${largest} bytes`)
  await before.close()
  const after = await open(disk, 1e9)
  assert.equal(after.store.names().length, 1)
  assert.deepEqual(after.host.state.words, before.host.state.words)
  await after.close()
})

test('a shortening that a close cuts off is as if it had not begun', async () => {
  for (let count = 300; count < 320; count++) {
    const disk = new SimDisk({ seed: count })
    const before = await open(disk, 5000)
    for (let i = 0; i < count; i++) await before.add(`word ${i}`)
    before.host.close(new Error('the broker was closed'))
    await before.close()
    const after = await open(disk, 1e9)
    assert.equal(after.host.state.words.length, count)
    await after.close()
  }
})

test('a log that lacks changes stays long while the machine runs, and shows it', async () => {
  const disk = new SimDisk({ seed: 1 })
  const store = await LogStore.open({ disk, clock: nodeClock, directory: 'data' })
  const log = await store.create('coordinator.words-1')
  await stored(log, emptyBatches(0, 5, 0)[0]!)
  await store.close()
  const { host, add, ...opened } = await open(disk, 2000)
  for (let i = 0; i < 300; i++) await add(`word ${i % 7}`)
  assert.equal(host.hasLostChanges, true)
  assert.deepEqual(opened.store.names(), ['coordinator.words-1'])
  await opened.close()
})

test('a log that cannot be read back while the machine runs is named once, and the machine goes on', async () => {
  const disk = new SimDisk({ seed: 1 })
  const bounds = { cacheBytes: 0, writeBehindBytes: 100 }
  const store = await LogStore.open({ disk, clock: nodeClock, directory: 'data', ...bounds })
  const unreadable: string[] = []
  const host = await MachineHost.open(words, {
    store,
    clock: nodeClock,
    turns: new Turns(nodeClock, 500),
    logBytesMax: 5000,
    runEffect: () => {},
    onUnreadable: ({ code }) => unreadable.push(code),
  })
  const add = (): Promise<unknown> => host.call((token) => ({ type: 'add', token, word: 'w' }))
  const segment = (): string | undefined => disk.paths().find((path) => path.endsWith('.log'))
  while (segment() === undefined) await add()
  disk.flipBit(segment()!, 70)
  for (let i = 0; i < 300; i++) await add()
  assert.deepEqual(unreadable, ['data-corrupt'])
  assert.deepEqual(store.names(), ['coordinator.words-1'])
  host.close(new Error('over'))
  await store.close()
})

test('what an unfinished shortening left is thrown away', async () => {
  const disk = new SimDisk({ seed: 1 })
  const before = await open(disk)
  await before.add('one')
  await before.store.create('coordinator.words-2')
  await before.close()
  const after = await open(disk)
  assert.deepEqual(after.host.state.words, ['one'])
  assert.deepEqual(after.store.names(), ['coordinator.words-1'])
  await after.close()
})

test('a closed host fails what waits and what comes', async () => {
  const { host, add, close } = await open(new SimDisk({ seed: 1 }))
  const waiting = host.call((token) => ({ type: 'park', token }))
  host.close(new Error('the broker was closed'))
  await assert.rejects(waiting, /closed/)
  await assert.rejects(add('late'), /closed/)
  await close()
})

test('a topic may be called like a coordinator', () => {
  assert.equal(isMachineLog('coordinator.groups-1'), true)
  assert.equal(isMachineLog('coordinator.groups-1.AAAAAAAAAAAAAAAAAAAAAA'), false)
})

describe('a machine that decides in steps', () => {
  const slow: typeof words = {
    ...words,
    *decideInSteps(state, command, now) {
      // More than one turn for a word that is as long as this.
      if (command.type === 'add') yield* Array.from(command.word, () => 1).values()
      return words.decide(state, command, now)
    },
  }
  const long = 'x'.repeat(turnItems * 3)

  test('answers a short command as any other does', async () => {
    const { host, add, close } = await open(new SimDisk({ seed: 1 }), 1_000_000, slow)
    const answer = add('short')
    assert.deepEqual(host.state.words, ['short'])
    assert.equal(await answer, 1)
    await close()
  })

  test('decides what comes while it takes turns afterwards, in its order', async () => {
    const { host, add, close } = await open(new SimDisk({ seed: 1 }), 1_000_000, slow)
    const answers = ['first', long, 'second', long, 'third'].map((word) => add(word))
    assert.deepEqual(host.state.words, ['first'])
    assert.deepEqual(await Promise.all(answers), [1, 2, 3, 4, 5])
    assert.deepEqual(host.state.words, ['first', long, 'second', long, 'third'])
    await close()
  })

  test('stores nothing of a command that it was closed in the middle of', async () => {
    const disk = new SimDisk({ seed: 1 })
    const first = await open(disk, 1_000_000, slow)
    await first.add('before')
    const answers = [first.add(long), first.add('behind')]
    const refused = answers.map((answer) => assert.rejects(answer, /closed/))
    await first.close()
    await Promise.all(refused)
    const second = await open(disk, 1_000_000, slow)
    assert.deepEqual(second.host.state.words, ['before'])
    await second.close()
  })
})
