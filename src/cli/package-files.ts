/** What lies in the package beside its code. From `src/cli` and from `dist` it is equally far. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The path of a file of the package. */
export function packagePath(...parts: readonly string[]): string {
  return join(import.meta.dirname, '../..', ...parts)
}

/** The version of this package. */
export function packageVersion(): string {
  const manifest = readFileSync(packagePath('package.json'), 'utf8')
  return (JSON.parse(manifest) as { readonly version: string }).version
}
