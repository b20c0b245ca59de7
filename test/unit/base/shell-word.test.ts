import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { it } from 'node:test'
import { shellWord } from '../../../src/base/shell-word.ts'

it('a word of a command is what it was once a shell has read it', () => {
  const words = ['data/broker', '/srv/my data', "it's", '$HOME `ls` "x" \\', 'a\nb', '~', '', 'ä*?']
  const read = execFileSync('sh', ['-c', `printf '%s\\0' ${words.map(shellWord).join(' ')}`])
  assert.deepEqual(read.toString().split('\0').slice(0, -1), words)
  assert.equal(shellWord('data/broker-1_2.d'), 'data/broker-1_2.d', 'unquoted where it can be')
})
