import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { isHeadwaterError, type HeadwaterErrorCode } from '../../../src/base/errors.ts'
import { nodeDisk } from '../../../src/io/node-disk.ts'

const root = mkdtempSync(join(tmpdir(), 'headwater-disk-'))
after(() => rmSync(root, { recursive: true }))

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)

async function refused(
  call: Promise<unknown>,
  code: HeadwaterErrorCode,
  pattern: RegExp,
): Promise<void> {
  await assert.rejects(call, (error: Error) => {
    assert(isHeadwaterError(error, code), String(error))
    assert.match(error.message, pattern)
    return true
  })
}

describe('a file', () => {
  test('keeps chunks written one after the other, and reads short only at its end', async () => {
    const file = await nodeDisk.open(`${root}/chunks`, 'create')
    const many = Array.from({ length: 3000 }, (_, at) => bytes(String(at % 10)))
    await file.write(many, 0)
    await file.write([bytes('ab'), bytes(''), bytes('cd')], 1000)
    await file.sync()
    assert.equal(text(await file.read(998, 8)), '89abcd45')
    assert.equal(text(await file.read(2998, 10)), '89')
    assert.equal((await file.read(9999, 10)).length, 0)
    await file.truncate(3)
    assert.equal(await file.size(), 3)
    await file.close()
    const again = await nodeDisk.open(`${root}/chunks`, 'create')
    assert.equal(text(await again.read(0, 10)), '012')
    await again.close()
  })

  test('that is missing is named, and only create makes it', async () => {
    await refused(nodeDisk.open(`${root}/none`, 'read'), 'not-found', /open .*\/none/)
    await refused(nodeDisk.open(`${root}/none`, 'write'), 'not-found', /none/)
    assert.equal(await nodeDisk.exists(`${root}/none`), false)
    await nodeDisk.remove(`${root}/none`)
  })

  test('on a full disk is refused with what to do', async () => {
    const full = await nodeDisk.open('/dev/full', 'write')
    await refused(full.write([bytes('x')], 0), 'disk-full', /\/dev\/full.*full.*free space/)
    await full.close()
  })
})

describe('a directory', () => {
  test('is made with its parents, listed in order, renamed into and removed whole', async () => {
    await nodeDisk.makeDirectory(`${root}/a/b/c`)
    await nodeDisk.makeDirectory(`${root}/a/b/c`)
    for (const name of ['two', 'one']) {
      await (await nodeDisk.open(`${root}/a/b/${name}`, 'create')).close()
    }
    assert.deepEqual(await nodeDisk.list(`${root}/a/b`), ['c', 'one', 'two'])
    await nodeDisk.rename(`${root}/a/b/one`, `${root}/a/b/two`)
    await nodeDisk.syncDirectory(`${root}/a/b`)
    assert.deepEqual(await nodeDisk.list(`${root}/a/b`), ['c', 'two'])
    await nodeDisk.remove(`${root}/a`)
    assert.deepEqual(await nodeDisk.list(`${root}/a`), [])
  })

  test('cannot be made where a file stands', async () => {
    writeFileSync(`${root}/file`, '')
    const made = nodeDisk.makeDirectory(`${root}/file/below`)
    await refused(made, 'disk-failed', /a file stands where a directory is needed/)
  })
})

describe('a directory that cannot be made', () => {
  const linux = { skip: process.platform !== 'linux', timeout: 10_000 }

  test('on a file system without room for one is refused at once', linux, async () => {
    const pattern = /directory \/proc\/(self\/fd\/)?x: (its file system takes no new|permission is)/
    for (const path of ['/proc/x', '/proc/x/y/z', '/proc/self/fd/x']) {
      await refused(nodeDisk.makeDirectory(path), 'disk-failed', pattern)
    }
  })

  test('behind a link that leads nowhere, or a device, is refused', async () => {
    symlinkSync(`${root}/nowhere`, `${root}/link`)
    for (const path of [`${root}/link`, `${root}/link/below`, '/dev/null', '/dev/null/below']) {
      const pattern = /a file stands where a directory is needed/
      await refused(nodeDisk.makeDirectory(path), 'disk-failed', pattern)
    }
  })

  test('because its name is too long is refused', async () => {
    const made = nodeDisk.makeDirectory(`${root}/${'n'.repeat(300)}/below`)
    await refused(made, 'disk-failed', /ENAMETOOLONG/)
  })

  test('is there all the same when another made it meanwhile', async () => {
    const paths = Array.from({ length: 8 }, (_, n) => `${root}/shared/by/all/${n % 2}`)
    await Promise.all(paths.map((path) => nodeDisk.makeDirectory(path)))
    assert.deepEqual(await nodeDisk.list(`${root}/shared/by/all`), ['0', '1'])
  })
})

describe('the lock', () => {
  test('is taken once, names its holder, and is given back', async () => {
    const lock = await nodeDisk.lock(`${root}/lock`)
    const pattern = new RegExp(`in use by process ${process.pid}: stop it`)
    await refused(nodeDisk.lock(`${root}/lock`), 'data-dir-locked', pattern)
    await lock.release()
    await (await nodeDisk.lock(`${root}/lock`)).release()
  })

  test('keeps other processes out, and dies with its process', async () => {
    const script = (ending: string): string => `
      import { nodeDisk } from ${JSON.stringify(new URL('../../../src/io/node-disk.ts', import.meta.url).href)}
      try { await nodeDisk.lock(${JSON.stringify(`${root}/lock`)}); console.log('taken') }
      catch (error) { console.log(error.code) }
      ${ending}`
    const run = async (ending: string): Promise<string> => {
      const args = ['--input-type=module-typescript', '-e', script(ending)]
      const { stdout } = await promisify(execFile)(process.execPath, args).catch(
        (error: { stdout: string }) => error,
      )
      return stdout.trim()
    }
    const lock = await nodeDisk.lock(`${root}/lock`)
    assert.equal(await run(''), 'data-dir-locked')
    await lock.release()
    assert.equal(await run('process.kill(process.pid, "SIGKILL")'), 'taken')
    await (await nodeDisk.lock(`${root}/lock`)).release()
  })
})
