/** The commands by which people help a service that met what it cannot process. */
import type { Command } from 'commander'
import { parseCount, parseIndex, parsePlace } from './arguments.ts'
import { brokerOption, jsonOption, yesOption } from './options.ts'

export function addDlq(program: Command): void {
  const dlq = program
    .command('dlq')
    .description("look at a service's dead letters, give them to it once more, or give them up.")
  dlq
    .command('list')
    .description('the open letters, those that failed last at the end')
    .argument('<service>')
    .addOption(brokerOption())
    .option('--all', 'the settled ones, too')
    .option('--limit <n>', 'the last so many', parseCount, 100)
    .addOption(jsonOption('one JSON object a letter'))
    .action(async (service, options) => (await import('./dlq.ts')).listLetters(service, options))
  dlq
    .command('show')
    .description('one letter: the record, what failed, how and where')
    .argument('<service>')
    .argument('<id>')
    .addOption(brokerOption())
    .option(
      '--contracts <file>',
      'a module that exports events: the value is decoded with its schema',
    )
    .addOption(jsonOption('one JSON object'))
    .action(async (service, id, options) =>
      (await import('./dlq.ts')).showLetter({ service, id }, options),
    )
  dlq
    .command('replay')
    .description(
      'give the records of letters to the service once more: each is written at the end of the partition ' +
        'it came from, for this service alone.',
    )
    .argument('<service>')
    .argument('[ids...]', 'letters; with --operator or --open none')
    .addOption(brokerOption())
    .option('--operator <name>', "the open letters of one operator, as in 'map 3'")
    .option('--open', 'every open letter')
    .option('--again', 'those that are settled, or that another branch has processed, too')
    .addOption(yesOption())
    .addOption(jsonOption('say what was done as one JSON object'))
    .action(async (service, ids, options) =>
      (await import('./dlq.ts')).replay({ service, ids }, options),
    )
  dlq
    .command('drop')
    .description('give letters up. They stay in the stream, settled.')
    .argument('<service>')
    .argument('[ids...]', 'letters; with --operator or --open none')
    .addOption(brokerOption())
    .option('--operator <name>', "the open letters of one operator, as in 'map 3'")
    .option('--open', 'every open letter')
    .option('--reason <text>', 'for whoever looks at them later', '')
    .addOption(yesOption())
    .addOption(jsonOption('say what was done as one JSON object'))
    .action(async (service, ids, options) =>
      (await import('./dlq.ts')).drop({ service, ids }, options),
    )
}

export function addOffsets(program: Command): void {
  const offsets = program
    .command('offsets')
    .description('show how far a service has read its streams, and set it while no instance runs.')
  offsets
    .command('show')
    .description('what the group has committed, and what it has not read yet')
    .argument('<service>', 'a service, or any consumer group')
    .addOption(brokerOption())
    .addOption(jsonOption('one JSON object a partition'))
    .action(async (service, options) => (await import('./offsets.ts')).show(service, options))
  offsets
    .command('set')
    .description(
      'let the service go on somewhere else in a stream. Its stores keep what they hold.',
    )
    .argument('<service>')
    .argument('<topic>')
    .requiredOption('--to <where>', 'beginning, end, an offset, or a time', parsePlace)
    .option('--partition <n>', 'this partition only', parseIndex)
    .addOption(brokerOption())
    .addOption(yesOption())
    .addOption(jsonOption('say what was done as one JSON object'))
    .action(async (service, topic, options) =>
      (await import('./offsets.ts')).set({ service, topic }, options),
    )
  offsets
    .command('skip')
    .description('leave records out that the service stands before. Nothing processes them then.')
    .argument('<service>')
    .argument('<topic>')
    .requiredOption('--partition <n>', 'the partition', parseIndex)
    .option('--record <offset>', 'refuse unless the service stands before this one', parseIndex)
    .option('--records <n>', 'how many offsets', parseCount, 1)
    .addOption(brokerOption())
    .addOption(yesOption())
    .addOption(jsonOption('say what was done as one JSON object'))
    .action(async (service, topic, options) =>
      (await import('./offsets.ts')).skip({ service, topic }, options),
    )
}
