/** Asks before something is done that cannot be undone. */
import { createInterface } from 'node:readline/promises'
import { HeadwaterError } from '../base/errors.ts'
import { Interrupted, printNote } from './output.ts'

/** Returns when it is to be done: `--yes` was given, or somebody at the terminal says so. */
export async function confirm(lines: readonly string[], yes: boolean | undefined): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) {
    throw new HeadwaterError(
      'config-invalid',
      `${lines.join(' ')} Nobody is here to ask: add --yes to do it`,
    )
  }
  for (const line of lines) printNote(line)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question('Do it? [y/N] ')
    if (!/^y(es)?$/i.test(answer.trim())) throw new Interrupted()
  } finally {
    terminal.close()
  }
}
