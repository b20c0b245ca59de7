/** What the program's command line understands. */
import type { Command } from 'commander'
import { addHostOptions, newProgram, parsePort } from '../../src/cli/index.ts'

export function seatsCommand(): Command {
  const command = newProgram('npm run seats --')
    .description(
      'book seats on flights, in a browser: two services, and a web application in front of them. Started again ' +
        'on the same directory, every booking is there. With --broker it is one more instance, beside others.',
    )
    .option(
      '--web-port <n>',
      'port for the web application on --host; 0 takes a free one',
      parsePort,
      3000,
    )
  return addHostOptions(command, 'data/seats').action(async (options) =>
    (await import('./start.ts')).start(options),
  )
}
