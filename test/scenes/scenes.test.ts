/** Every scene still plays as it is written down; `npm run scenes -- --update` writes it anew. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { runScene } from './scene.ts'

const casts = {
  topics: 'the topics machine plays',
  groups: 'the groups machine plays',
  transactions: 'the transactions machine plays',
  together: 'the machines play together',
}

for (const [machine, title] of Object.entries(casts)) {
  describe(title, () => {
    for (const file of globSync(`${machine}/*.txt`, { cwd: import.meta.dirname }).toSorted()) {
      it(basename(file, '.txt').replaceAll('-', ' '), () => {
        const written = readFileSync(join(import.meta.dirname, file), 'utf8')
        assert.equal(runScene(dirname(file), written), written)
      })
    }
  })
}
