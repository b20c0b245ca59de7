/**
 * `headwater start`: hands its arguments to the airline example, which is a program of its own.
 *
 * The example lies in the repository and reads files of a development dependency; an installed package
 * has neither, and says so.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { HeadwaterError } from '../base/errors.ts'

/** @param args what stands behind `start` */
export async function start(args: readonly string[]): Promise<void> {
  const url = new URL('../../examples/airline/command.ts', import.meta.url)
  if (!existsSync(fileURLToPath(url))) {
    throw new HeadwaterError(
      'input-missing',
      'the airline example is part of the repository, not of the installed package: clone the repository ' +
        'and run `npm ci && npm start` there, or run services of your own with `headwater run FILE`',
    )
  }
  const example = (await import(url.href)) as { airlineCommand(): Command }
  await example.airlineCommand().parseAsync(args, { from: 'user' })
}
