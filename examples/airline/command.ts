/** What the example's command line understands. */
import type { Command } from 'commander'
import { addHostOptions, jsonOption, newProgram, parseCount } from '../../src/cli/index.ts'

export function airlineCommand(): Command {
  const command = newProgram('headwater start')
    .description(
      'run the airline example: real flights through five services. Started again on the same directory, ' +
        'it goes on where it was and adds nothing twice.',
    )
    .option(
      '--flights <n>',
      "how many of the file's 3,000,000 flights to load",
      parseCount,
      300_000,
    )
  return addHostOptions(command, 'data/airline')
    .option('--exit', 'end once the input is fully processed')
    .addOption(jsonOption('progress goes to standard error, the result is one JSON object'))
    .action(async (options) => (await import('./start.ts')).start(options))
}
