/**
 * `npm run build`: `src` becomes `dist`, what the package ships. The declarations are TypeScript's, file by
 * file. The code is bundled: every door and the command share chunks, so that starting one reads a few
 * files instead of over a hundred. Nothing is in two chunks, so a class is the same through every door.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild-wasm'

const root = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, string>>
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
await declare()
await build({
  absWorkingDir: root,
  entryPoints: entries(),
  outdir: 'dist',
  outbase: 'src',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node24',
  logLevel: 'warning',
})

/** The sources of all that users import or start. */
function entries(): string[] {
  // `bin/headwater.mjs` stands before the command, for Nodes that could not even read it.
  const built = [...Object.values(manifest.exports), './dist/cli/main.js']
  const sources = built
    .map((file) => file.replace(/^(\.\/)?dist\//, 'src/'))
    .filter((file) => file.startsWith('src/'))
    .flatMap((file) =>
      globSync(file.replace(/\.js$/, '.ts').replace('*', '**/*.ts'), { cwd: root }),
    )
  return [...new Set(sources)]
}

async function declare(): Promise<void> {
  const args = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly']
  const tsc = spawn(join(root, 'node_modules/.bin/tsc'), args, { cwd: root, stdio: 'inherit' })
  const [code] = (await once(tsc, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`tsc ended with exit code ${code}`)
}
