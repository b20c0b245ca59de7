/** Small files that people name: certificates, keys, passwords. */
import { readFileSync } from 'node:fs'
import { HeadwaterError } from '../base/errors.ts'
import { codeOf } from './error-code.ts'

/** The text of a file. `input-missing` names the path, what it should hold, and why it cannot be read. */
export function readTextFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new HeadwaterError(
      'input-missing',
      `cannot read ${what} from '${path}' (${codeOf(cause) ?? 'unknown'}): correct the path, or let this user read the file`,
      { cause },
    )
  }
}

/** A secret in a file of its own: a line break at its end, as editors leave one, is not of it. */
export function readSecretFile(path: string, what: string): string {
  const text = readTextFile(path, what).replace(/\r?\n$/, '')
  if (text !== '') return text
  throw new HeadwaterError('input-missing', `'${path}' is empty: it should hold ${what}`)
}
