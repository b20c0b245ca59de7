/**
 * `npm run scenes` plays every scene under test/scenes and says which came out differently;
 * `npm run scenes -- --update` writes them as they came out. Then read the diff: it is the review.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { runScene } from '../test/scenes/scene.ts'

const update = process.argv.includes('--update')
const folder = join(import.meta.dirname, '../test/scenes')
let different = 0

for (const file of globSync('*/*.txt', { cwd: folder }).toSorted()) {
  const path = join(folder, file)
  const written = readFileSync(path, 'utf8')
  let played: string
  try {
    played = runScene(basename(dirname(file)), written)
  } catch (error) {
    console.error(
      `${file} does not play: ${error instanceof Error ? error.message : String(error)}`,
    )
    process.exitCode = 1
    continue
  }
  if (played === written) continue
  different++
  if (update) writeFileSync(path, played)
  console.log(`${file} ${update ? 'is written anew' : 'came out differently'}`)
}
if (different > 0 && !update) process.exitCode = 1
if (different === 0 && process.exitCode !== 1) console.log('Every scene plays as it is written.')
