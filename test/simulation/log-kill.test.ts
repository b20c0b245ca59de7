import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { utf8String } from '../../src/base/bytes.ts'
import { nodeClock } from '../../src/io/node-clock.ts'
import { nodeDisk } from '../../src/io/node-disk.ts'
import { LogStore } from '../../src/log/store/log-store.ts'
import { decodeRecords } from '../../src/records/record.ts'
import { readAll } from './log-world.ts'

const rounds = Number(process.env['SIM_SEEDS'] ?? 4)

test('a process killed at any moment has lost nothing it acknowledged', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headwater-kill-'))
  const acknowledged = new Map<string, number>()
  try {
    for (let round = 0; round < rounds; round++) {
      await writeAndKill(directory, 60 + ((round * 37) % 150), acknowledged)
      await checkAll(directory, acknowledged)
    }
    assert(acknowledged.size > 0, 'no round got as far as one acknowledgement')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

/** Runs the writer, kills it `afterLines` acknowledgements later, and notes what it acknowledged. */
async function writeAndKill(
  directory: string,
  afterLines: number,
  acknowledged: Map<string, number>,
): Promise<void> {
  const script = new URL('./log-writer.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  let lines = 0
  for await (const chunk of child.stdout) {
    const part = String(chunk)
    output += part
    lines += part.split('\n').length - 1
    if (lines >= afterLines) child.kill('SIGKILL')
  }
  for (const line of output.split('\n').slice(0, -1)) {
    const [name, offset] = line.split(' ')
    acknowledged.set(name!, Number(offset))
  }
}

async function checkAll(
  directory: string,
  acknowledged: ReadonlyMap<string, number>,
): Promise<void> {
  const store = await LogStore.open({ disk: nodeDisk, clock: nodeClock, directory })
  for (const [name, offset] of acknowledged) {
    const log = store.get(name)!
    assert(log.endOffset > offset, `${name} ends at ${log.endOffset}, ${offset} was acknowledged`)
    let next = 0
    for (const batch of await readAll(log)) {
      for (const record of decodeRecords(batch)) {
        assert.equal(record.offset, next)
        assert.equal(utf8String(record.value!).trimEnd(), `${name} ${next}`)
        next++
      }
    }
    assert.equal(next, log.endOffset)
  }
  await store.close()
}
