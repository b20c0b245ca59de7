/** Sending while the broker, and the process that sends, are killed: nothing acknowledged is lost. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { kafka } from '../../src/client/security/kafka.ts'
import { producer } from '../../src/streams/runtime/producer.ts'
import { Orders } from '../types/shop.ts'
import { read } from '../streams-suite/place.ts'
import { checkout, order } from '../streams-suite/sending.ts'

let directory: string
const children = new Set<ChildProcess>()

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-sending-'))
})
after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

describe('what was sent and acknowledged', { timeout: 120_000 }, () => {
  it('is there once and in order although the broker was killed again and again', async () => {
    const data = join(directory, 'broker')
    let broker = await startBroker(data)
    const { port } = broker
    const place = { broker: kafka(`127.0.0.1:${port}`), close: async () => {} }
    await using sender = producer(checkout, { ...place, deliveryTimeoutMs: 60_000 })
    let isOver = false
    const counts = await sendingFrom(
      24,
      async (caller, n) => {
        if (isOver) return false
        await sender.send(Orders, { ...order(caller), total: n })
        return true
      },
      async () => {
        for (let round = 0; round < 4; round++) {
          await delay(400)
          await kill(broker.child)
          await delay(100)
          broker = await startBroker(data, port)
        }
        await delay(300)
        isOver = true
      },
    )
    const stored = await read(place, Orders)
    for (const [caller, count] of counts.entries()) {
      const totals = stored.filter(({ key }) => key === `o${caller}`).map((e) => e.value!.total)
      assert.deepEqual(
        totals,
        Array.from({ length: count }, (_, n) => n),
        `caller ${caller}`,
      )
    }
    assert.equal(sender.stats().count, stored.length)
    await sender.close()
    await kill(broker.child)
  })

  it('is there once although the process that sent it was killed, and transactions are whole', async () => {
    const broker = await startBroker(join(directory, 'sender'))
    const place = { broker: kafka(`127.0.0.1:${broker.port}`), close: async () => {} }
    const acknowledged: string[] = []
    for (let life = 0; life < 3; life++) {
      const from = life * 1_000_000
      const child = start(new URL('./sending-child.ts', import.meta.url), [
        String(broker.port),
        String(from),
      ])
      const lines = createInterface(child.stdout!)
      lines.on('line', (line) => acknowledged.push(line))
      const least = acknowledged.length + 200
      while (acknowledged.length < least) await delay(20)
      await kill(child)
    }
    assert.ok(acknowledged.some((line) => line.startsWith('t')))
    const stored = await read(place, Orders)
    const times = new Map<number, number>()
    for (const { value } of stored) times.set(value!.total, (times.get(value!.total) ?? 0) + 1)
    for (const line of acknowledged) {
      const [first, second] = line.split(' ')
      if (first === 't') assert.equal(times.get(Number(second)), 3, line)
      else assert.equal(times.get(Number(first)), 1, line)
    }
    // Nothing is there by half, acknowledged or not.
    const parts = stored.filter(({ value }) => value!.address.startsWith('t0'))
    for (const { value } of parts) assert.equal(times.get(value!.total), 3)
    await kill(broker.child)
  })
})

/** Callers that each send one event after the other while `trouble` lasts; how many each of them sent. */
async function sendingFrom(
  callers: number,
  sendOne: (caller: number, n: number) => Promise<boolean>,
  trouble: () => Promise<void>,
): Promise<number[]> {
  const counting = Array.from({ length: callers }, async (_, caller) => {
    let n = 0
    while (await sendOne(caller, n)) n++
    return n
  })
  await trouble()
  return Promise.all(counting)
}

function start(script: URL, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [script.pathname, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  return child
}

async function startBroker(data: string, port = 0): Promise<{ child: ChildProcess; port: number }> {
  const child = start(new URL('./broker-process.ts', import.meta.url), [data, String(port)])
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  assert.match(line, /^listening/)
  return { child, port: Number(line.split(' ')[1]) }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  children.delete(child)
}
