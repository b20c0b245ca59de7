/**
 * Where the two files of the example lie: in the npm package `vega-datasets`, a development dependency
 * of this repository. Nothing is downloaded when the example runs.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { HeadwaterError } from '../../src/index.ts'

/** The path of a file of `vega-datasets`; `input-missing` names the package to install. */
export function sourceFile(name: 'airports.csv' | 'flights-3m.parquet'): string {
  const path = packageFile(name)
  if (path === undefined || !existsSync(path)) throw missing(name, path)
  return path
}

function packageFile(name: string): string | undefined {
  try {
    return fileURLToPath(new URL(`../data/${name}`, import.meta.resolve('vega-datasets')))
  } catch {
    return undefined
  }
}

function missing(name: string, path: string | undefined): HeadwaterError {
  const where = path === undefined ? 'that package is not installed' : `there is no file ${path}`
  return new HeadwaterError(
    'input-missing',
    `the airline example reads ${name} from the npm package vega-datasets, but ${where}: ` +
      'run `npm ci` in the clone, or `npm install --save-dev vega-datasets@3`',
  )
}
