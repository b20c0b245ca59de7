/**
 * What the `headwater` command understands, and doing it. Each command lives in a file of its own, loaded when it is
 * called, so that `--help` answers at once.
 */
import { Option } from 'commander'
import type { Command, CommandOptions } from 'commander'
import {
  parseConfig,
  parseCount,
  parseFrom,
  parseIndex,
  parseTime,
  queryPortDefault,
} from './arguments.ts'
import {
  addHostOptions,
  databaseOption,
  addListenerOptions,
  addProgramOptions,
  brokerOption,
  directoryOption,
  durabilityOption,
  jsonOption,
  memoryOption,
  metricsPortOption,
  servicesFile,
  yesOption,
} from './options.ts'
import { packageVersion } from './package-files.ts'
import { newProgram, runProgram } from './program.ts'
import { addDev, addGen, addInit, addSchema } from './project-commands.ts'
import { addDlq, addOffsets } from './repair-commands.ts'

await runProgram(buildProgram(), process.argv)

function buildProgram(): Command {
  const program = newProgram('headwater')
    .description(
      'Event-driven microservices on an embedded, durable, Kafka-compatible event broker.',
    )
    .version(packageVersion(), '-V, --version')
    .enablePositionalOptions()
  addInit(program)
  addGen(program)
  addSchema(program)
  addDev(program)
  addStart(program)
  addBroker(program)
  addRun(program)
  addPlan(program)
  addRebuild(program)
  addReset(program)
  addDlq(program)
  addOffsets(program)
  addTopics(program)
  addTail(program)
  addGet(program)
  addLog(program)
  return program
}

function addStart(program: Command): void {
  program
    .command('start')
    .description(
      'run the airline example of the repository, as `npm start` does: real flights through five ' +
        'services. `headwater start --help` has its flags.',
    )
    .argument('[options...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => (await import('./start.ts')).start(args))
}

function addBroker(program: Command): void {
  const command = program
    .command('broker')
    .description('run the broker alone, for any Kafka client.')
    .addOption(directoryOption('data/broker'))
  addListenerOptions(command).addOption(durabilityOption()).addOption(memoryOption())
  addProgramOptions(command.addOption(metricsPortOption()))
    .addOption(jsonOption('say where it listens as one JSON object'))
    .action(async (options) => (await import('./broker.ts')).runBroker(options))
}

function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('run the services and sinks that a module exports, with queries over HTTP.')
    .argument('<file>', servicesFile)
  addHostOptions(command, 'data/run')
    .addOption(
      new Option(
        '--on-topic-replaced <what>',
        'when a stream was deleted and made anew: stop, or read the new one from its beginning',
      )
        .choices(['stop', 'restart'])
        .default('stop'),
    )
    .addOption(databaseOption())
    .option('--create-tables', 'make tables of sinks that are missing')
    .option('--exit', 'end once every input is fully processed')
    .addOption(jsonOption('say where it listens, and at the end what it did, as JSON lines'))
    .action(async (file, options) => (await import('./run.ts')).runFile(file, options))
}

function addPlan(program: Command): void {
  program
    .command('plan')
    .description(
      'say what becomes of the stores of the services that a module exports, were they started now. ' +
        'Exit code 2: one would be refused.',
    )
    .argument('<file>', servicesFile)
    .addOption(brokerOption())
    .option(
      '--accept <service/store>',
      'let a service go on with a store that it refuses, as it is',
    )
    .addOption(databaseOption())
    .addOption(jsonOption('one JSON object a service or sink'))
    .action(async (file, options) => (await import('./plan.ts')).plan(file, options))
}

function addRebuild(program: Command): void {
  program
    .command('rebuild')
    .description(
      'fold one store of a service anew from its streams, as far as the service has processed them.',
    )
    .argument('<file>', servicesFile)
    .argument('<service>')
    .argument('<store>', 'the name of a count or reduce')
    .addOption(brokerOption())
    .addOption(yesOption())
    .addOption(jsonOption('say what was done as one JSON object'))
    .action(async (file, service, store, options) =>
      (await import('./rebuild.ts')).rebuild({ file, service, store }, options),
    )
}

function addReset(program: Command): void {
  program
    .command('reset')
    .description(
      'forget everything of a service (offsets, stores, inner topics), so that it begins anew.',
    )
    .argument('<file>', servicesFile)
    .argument('<service>')
    .addOption(brokerOption())
    .addOption(yesOption())
    .addOption(jsonOption('say what was done as one JSON object'))
    .action(async (file, service, options) =>
      (await import('./reset.ts')).reset({ file, service }, options),
    )
}

function addTopics(program: Command): void {
  const topics = program.command('topics').description('list, describe, create and delete topics.')
  const command = (name: string, description: string, settings: CommandOptions = {}) =>
    topics
      .command(name, settings)
      .description(description)
      .addOption(brokerOption())
      .addOption(jsonOption('print JSON'))
  command('list', 'the topics of a broker', { isDefault: true })
    .allowExcessArguments()
    .action(async (options, { args: [word] }: Command) => {
      // The default command gets every word that names none.
      if (word !== undefined) topics.error(`error: unknown command '${word}'`)
      await (await import('./topics.ts')).listTopics(options)
    })
  command('describe', 'partitions, offsets and configs of a topic')
    .argument('<topic>')
    .action(async (topic, options) => (await import('./topics.ts')).describeTopic(topic, options))
  command('create', 'make a topic')
    .argument('<topic>')
    .option('--partitions <n>', 'how many partitions', parseCount, 1)
    .option('--config <name=value>', 'a config of the topic; may be repeated', parseConfig)
    .action(async (topic, options) => (await import('./topics.ts')).createTopic(topic, options))
  command('delete', 'remove a topic and all its records')
    .argument('<topic>')
    .action(async (topic, options) => (await import('./topics.ts')).deleteTopic(topic, options))
}

function addTail(program: Command): void {
  program
    .command('tail')
    .description('print the records of a topic.')
    .argument('<topic>')
    .addOption(brokerOption())
    .option(
      '--from <where>',
      'beginning, latest, an offset, or -N for the last N',
      parseFrom,
      'beginning',
    )
    .option('--partition <n>', 'this partition only', parseIndex)
    .option('--key <key>', 'records with this key only')
    .option('--limit <n>', 'stop after so many records', parseCount)
    .option(
      '--contracts <file>',
      'a module that exports events: values are decoded with their schema',
    )
    .option('--follow', 'wait for more records, until Ctrl-C')
    .addOption(jsonOption('one JSON object a record'))
    .action(async (topic, options) => (await import('./tail.ts')).tail(topic, options))
}

function addGet(program: Command): void {
  program
    .command('get')
    .description('ask a service: the value of a key, or the entries of a view.')
    .argument('<service>', 'a service, or the whole URL of a query')
    .argument('[view]', 'a table of the service; without one its views are listed')
    .argument('[key]', 'a key of the table; without one its entries are listed')
    .option('--url <url>', 'where the query server is', `http://127.0.0.1:${queryPortDefault}`)
    .option('--window <time>', 'the window that holds this time', parseTime)
    .option('--from <time>', 'with --to: the windows of the key that start in between', parseTime)
    .option('--to <time>', 'with --from: the first time that is not in between any more', parseTime)
    .option('--prefix <text>', 'without a key: entries whose keys begin so')
    .option('--limit <n>', 'without a key: at most so many entries; 100 unless said', parseCount)
    .option('--cursor <next>', 'without a key: go on where `next` of an answer says')
    .addOption(
      new Option('--all', 'without a key: every entry, one a line').conflicts(['limit', 'cursor']),
    )
    .addOption(jsonOption('print JSON on one line'))
    .action(async (service, view, key, options) =>
      (await import('./get.ts')).get({ service, view, key }, options),
    )
}

function addLog(program: Command): void {
  const log = program
    .command('log')
    .description('verify, repair and dump a data directory that no broker has open.')
  log
    .command('verify')
    .description('read everything and name each damage. Exit code 2: there is one.')
    .addOption(directoryOption('data/broker'))
    .addOption(jsonOption('print one JSON object'))
    .action(async (options) => (await import('./log.ts')).verifyLog(options))
  log
    .command('repair')
    .description(
      'say what is damaged and what is lost with it, ask, and go on without that. What is taken away ' +
        'or written over is kept in aside/.',
    )
    .addOption(directoryOption('data/broker'))
    .addOption(yesOption())
    .addOption(jsonOption('say what was done as one JSON object'))
    .action(async (options) => (await import('./log.ts')).repairLog(options))
  log
    .command('dump')
    .description(
      'print what one file of a data directory says: a journal, a segment, or a small one.',
    )
    .argument('<file>')
    .option('--records', 'print the records of batches, too')
    .addOption(jsonOption('one JSON object a line'))
    .action(async (file, options) => (await import('./log.ts')).dumpLog(file, options))
}
