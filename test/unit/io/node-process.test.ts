/** What the process does for programs: the code it loads is kept for the next start. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

const main = join(import.meta.dirname, '../../../src/cli/main.ts')

describe('compileOnce', () => {
  let directory = ''
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-compiled-'))
  })
  after(() => rm(directory, { recursive: true }))

  it('keeps what a command has loaded, where the system keeps temporary files', async () => {
    const { NODE_COMPILE_CACHE: _, ...env } = process.env
    const run = ['plan', join(directory, 'no-such-file.ts')]
    const ended = promisify(execFile)(process.execPath, [main, ...run], {
      env: { ...env, TMPDIR: directory },
    })
    await assert.rejects(ended, /no-such-file/)
    const [compiled] = await readdir(join(directory, 'node-compile-cache'))
    const kept = await readdir(join(directory, 'node-compile-cache', compiled!))
    assert.ok(kept.length > 0)
  })
})
