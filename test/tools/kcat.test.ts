/** kcat, which is librdkafka, against our broker; skipped where there is no kcat. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { runBroker } from '../conformance/running-broker.ts'

const isHere = spawnSync('kcat', ['-V']).status === 0

describe('kcat', { skip: isHere ? false : 'there is no kcat on the PATH' }, () => {
  test('lists, produces with every codec, and consumes with and without a group', async () => {
    const running = await runBroker()
    try {
      const to = ['-b', running.address, '-t', 'kcat']
      const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
      for (const codec of codecs) {
        await kcat(`${codec}\n`.repeat(3), ...to, '-P', '-p', '0', '-z', codec)
      }
      const expected = codecs.flatMap((codec) => [codec, codec, codec])
      const read = await kcat('', ...to, '-C', '-e', '-q', '-o', 'beginning')
      assert.deepEqual(read.trim().split('\n'), expected)
      assert.match(await kcat('', '-b', running.address, '-L'), /topic "kcat" with \d+ partitions/)
      const group = ['-G', 'cats', 'kcat', '-c', '15', '-q', '-X', 'auto.offset.reset=earliest']
      const shared = await kcat('', '-b', running.address, ...group)
      assert.deepEqual(shared.trim().split('\n').toSorted(), expected.toSorted())
      assert.deepEqual(running.events, [])
    } finally {
      await running.close()
    }
  })
})

async function kcat(stdin: string, ...args: readonly string[]): Promise<string> {
  const child = spawn('kcat', args, { timeout: 30_000 })
  child.stdin.end(stdin)
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await closed) as [number | null]
  assert.equal(code, 0, `kcat ${args.join(' ')}\n${stderr}`)
  return stdout
}
