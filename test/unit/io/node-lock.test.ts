/** The lock of a data directory against other processes, and against what code of this one may do to it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { nodeDisk } from '../../../src/io/node-disk.ts'

const root = mkdtempSync(join(tmpdir(), 'headwater-lock-'))
after(() => rmSync(root, { recursive: true }))

/** What another process gets that tries. */
async function another(path: string): Promise<string> {
  const script = `
    import { nodeDisk } from ${JSON.stringify(new URL('../../../src/io/node-disk.ts', import.meta.url).href)}
    try { await nodeDisk.lock(${JSON.stringify(path)}); console.log('taken') }
    catch (error) { console.log(error.code) }`
  const args = ['--input-type=module-typescript', '-e', script]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return stdout.trim()
}

function directory(): string {
  return mkdtempSync(join(root, 'data-'))
}

const drops: Readonly<Record<string, (path: string) => void>> = {
  'reading the lock file': (path) => void readFileSync(path),
  'copying the directory': (path) =>
    cpSync(join(path, '..'), directory(), { recursive: true, force: true }),
  'removing the lock file': (path) => rmSync(path),
  'putting another lock file in its place': (path) => {
    writeFileSync(`${path}.new`, '')
    renameSync(`${path}.new`, path)
  },
}

describe('a lock', () => {
  for (const [name, drop] of Object.entries(drops)) {
    test(`is not dropped by ${name} in this process, and a check mends it`, async () => {
      const path = join(directory(), 'lock')
      const lock = await nodeDisk.lock(path)
      drop(path)
      assert.equal(await another(path), 'data-dir-locked')
      await lock.check()
      await lock.check()
      assert.equal(await another(path), 'data-dir-locked')
      await lock.release()
      assert.equal(await another(path), 'taken')
    })
  }

  test('that cannot be taken to the end is not kept', async () => {
    const path = join(directory(), 'lock')
    mkdirSync(`${path}.pid`)
    await assert.rejects(nodeDisk.lock(path), { code: 'disk-failed' })
    rmdirSync(`${path}.pid`)
    await (await nodeDisk.lock(path)).release()
  })

  test('that cannot be checked says so, and takes nobody for gone', async () => {
    const path = join(directory(), 'lock')
    const lock = await nodeDisk.lock(path)
    rmSync(`${path}.pid`)
    mkdirSync(`${path}.pid`)
    await assert.rejects(lock.check(), { code: 'disk-failed' })
    rmdirSync(`${path}.pid`)
    await lock.check()
    await lock.release()
  })

  test('is lost when somebody else has been there, and then the next check says so', async () => {
    const path = join(directory(), 'lock')
    const lock = await nodeDisk.lock(path)
    writeFileSync(`${path}.pid`, '4711 elsewhere')
    await assert.rejects(lock.check(), { code: 'data-dir-locked', message: /process 4711/ })
    await lock.release()
    assert.equal(readFileSync(`${path}.pid`, 'utf8'), '4711 elsewhere')
  })

  test('of which a file was removed is written anew', async () => {
    const path = join(directory(), 'lock')
    const lock = await nodeDisk.lock(path)
    rmSync(`${path}.pid`)
    await lock.check()
    assert.match(readFileSync(`${path}.pid`, 'utf8'), new RegExp(`^${process.pid} `))
    await lock.release()
  })
})
