/** A broker that is killed, restarted, started twice: what was acknowledged is there. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { utf8String } from '../../src/base/bytes.ts'
import { ErrorCode } from '../../src/protocol/errors.ts'
import { splitBatches } from '../../src/records/batch.ts'
import { decodeRecords } from '../../src/records/record.ts'
import { batchOf, createTopic, produce, RawClient } from './raw-client.ts'
import { until } from './running-broker.ts'

const rounds = 4
const producersPerRound = 3

let directory: string
const children = new Set<ChildProcess>()

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-kill-'))
})
after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

interface BrokerProcess {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  readonly line: string
  readonly port: number
}

async function start(port = 0): Promise<BrokerProcess> {
  const script = new URL('./broker-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, directory, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  const exited = once(child, 'exit')
  let line = ''
  while (!line.includes('\n')) {
    const [chunk] = (await once(child.stdout, 'data', {
      signal: AbortSignal.timeout(20_000),
    })) as [Buffer]
    line += chunk.toString()
  }
  return { child, exited, line, port: Number(line.split(' ')[1]) }
}

async function stop(
  { child, exited }: BrokerProcess,
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  child.kill(signal)
  await exited
  children.delete(child)
}

/** Writes batches until the broker dies; what was acknowledged, by offset. */
async function writeUntilDeath(
  port: number,
  partition: number,
  name: string,
  acknowledged: Map<number, string>,
): Promise<void> {
  const client = await RawClient.connect(port)
  const { producerId, producerEpoch } = await client.ask('InitProducerId', 4, {
    transactionalId: null,
    transactionTimeoutMs: 60_000,
  })
  try {
    for (let sequence = 0; ; sequence++) {
      const value = `${name}-${sequence}`
      const batch = batchOf([value], { producerId, producerEpoch, baseSequence: sequence })
      const { errorCode, baseOffset } = await produce(client, 'ledger', batch, { partition })
      assert.equal(errorCode, ErrorCode.NONE)
      acknowledged.set(baseOffset, value)
    }
  } catch (error) {
    assert.match(String(error), /connection ended/)
  } finally {
    client.close()
  }
}

async function readAll(port: number, partition: number): Promise<Map<number, string>> {
  const client = await RawClient.connect(port)
  const found = new Map<number, string>()
  for (let fetchOffset = 0; ;) {
    const { responses } = await client.ask('Fetch', 11, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [
        { topic: 'ledger', partitions: [{ partition, fetchOffset, partitionMaxBytes: 1_000_000 }] },
      ],
    })
    const { records } = responses[0]!.partitions[0]!
    const read = splitBatches(records!).flatMap((batch) => decodeRecords(batch))
    if (read.length === 0) break
    for (const { offset, value } of read) found.set(offset, utf8String(value!))
    fetchOffset = read.at(-1)!.offset + 1
  }
  client.close()
  return found
}

describe('a broker process', () => {
  it('has every acknowledged record once after each of several kills', async () => {
    const acknowledged = [0, 1, 2].map(() => new Map<number, string>())
    for (let round = 0; round < rounds; round++) {
      const broker = await start()
      const client = await RawClient.connect(broker.port)
      if (round === 0) await createTopic(client, 'ledger', producersPerRound)
      client.close()
      const writing = acknowledged.map((each, partition) =>
        writeUntilDeath(broker.port, partition, `r${round}p${partition}`, each),
      )
      const count = (): number => acknowledged.reduce((sum, each) => sum + each.size, 0)
      const enough = count() + 40 + 25 * round
      await until(() => count() >= enough, `${enough} acknowledged records`)
      broker.child.kill('SIGKILL')
      await Promise.all(writing)
      await stop(broker, 'SIGKILL')
    }
    const broker = await start()
    for (const [partition, expected] of acknowledged.entries()) {
      const found = await readAll(broker.port, partition)
      for (const [offset, value] of expected) assert.equal(found.get(offset), value)
      assert.equal(new Set(found.values()).size, found.size, 'a record is there twice')
    }
    await stop(broker, 'SIGTERM')
  })

  it('says that it was closed cleanly after SIGTERM, and keeps its topics', async () => {
    const broker = await start()
    assert.match(broker.line, /"clean":true/)
    const client = await RawClient.connect(broker.port)
    const { topics } = await client.ask('Metadata', 12, { topics: null })
    assert.deepEqual(
      topics.map(({ name, partitions }) => [name, partitions.length]),
      [['ledger', producersPerRound]],
    )
    client.close()
    await stop(broker, 'SIGTERM')
  })

  it('refuses a data directory that another process has, and a port that another has', async () => {
    const broker = await start()
    const second = await start()
    assert.match(second.line, /^failed data-dir-locked .*/)
    const own = directory
    directory = await mkdtemp(join(tmpdir(), 'headwater-kill-'))
    const third = await start(broker.port)
    assert.match(
      third.line,
      new RegExp(`^failed port-in-use port ${broker.port} .*choose another port`),
    )
    await rm(directory, { recursive: true, force: true })
    directory = own
    await stop(broker, 'SIGTERM')
  })
})
