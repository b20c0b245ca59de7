/**
 * `headwater init DIR`: a project that runs at once: contracts, a service, an HTTP handler, a test. Its files
 * lie in the package as they are, under `templates/app`; only `package.json` is made for the project.
 */
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { HeadwaterError } from '../base/errors.ts'
import { shellWord } from '../base/shell-word.ts'
import { print, printJson } from './output.ts'
import { packagePath, packageVersion } from './package-files.ts'

export interface InitOptions {
  /** What `package.json` asks for as `headwater`; the version that runs when left out. */
  readonly headwater?: string
  readonly json?: boolean
}

export function init(directory: string, options: InitOptions): void {
  const path = resolve(directory)
  refuseOccupied(path)
  const template = packagePath('templates/app')
  // Git's own file would not travel in a package under its name.
  const files = globSync('**/*', { cwd: template, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(template, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .map((from) => ({ from, to: from === 'gitignore' ? '.gitignore' : from }))
  for (const { from, to } of files) {
    mkdirSync(dirname(join(path, to)), { recursive: true })
    if (from !== 'package.json') cpSync(join(template, from), join(path, to))
  }
  const manifest = readFileSync(join(template, 'package.json'), 'utf8')
  const { headwater = packageVersion() } = options
  const own = projectManifest(manifest, packageName(basename(path)), headwater)
  writeFileSync(join(path, 'package.json'), own)
  const made = files.map(({ to }) => to).toSorted()
  tell(directory, made, options)
}

/** A directory with something in it keeps it; a repository that was just made has nothing in it. */
function refuseOccupied(path: string): void {
  if (!existsSync(path)) return
  const there = readdirSync(path).filter((name) => name !== '.git')
  if (there.length === 0) return
  const some = there.slice(0, 3).join(', ')
  throw new HeadwaterError(
    'config-invalid',
    `${path} is not empty: there is ${some}${there.length > 3 ? ' and more' : ''}. Name a directory ` +
      'that is not there yet',
  )
}

/** The template's `package.json` with the project's name and the platform it asks for. */
function projectManifest(template: string, name: string, headwater: string): string {
  const manifest = JSON.parse(template) as { readonly dependencies: Record<string, string> }
  manifest.dependencies['headwater'] = headwater
  return `${JSON.stringify({ ...manifest, name }, null, 2)}\n`
}

/** A directory's name as npm takes it for a package. */
function packageName(directory: string): string {
  const name = directory
    .toLowerCase()
    .replace(/[^a-z0-9._~-]+/g, '-')
    .replace(/^[._-]+|-+$/g, '')
  return name === '' ? 'app' : name.slice(0, 214)
}

function tell(directory: string, files: readonly string[], options: InitOptions): void {
  const tool = packageTool(process.env['npm_config_user_agent'])
  const steps = [`cd ${shellWord(directory)}`, `${tool} install`, `${tool} test`, `${tool} start`]
  if (options.json) return printJson({ directory: resolve(directory), files, next: steps })
  print(`made ${directory}: ${files.length} files. Next:\n`)
  for (const step of steps) print(`  ${step}`)
  print(`\nREADME.md says what is where.`)
}

/** The program that ran this command is the one to go on with. */
function packageTool(agent = ''): string {
  return /^(pnpm|yarn|bun)\//.exec(agent)?.[1] ?? 'npm'
}
