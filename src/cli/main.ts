#!/usr/bin/env node
/**
 * The `headwater` command: what it understands. Each command lives in a file of its own, loaded when it is
 * called, so that `--help` answers at once.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import type { CommandOptions } from 'commander'
import {
  durabilities,
  kafkaPortDefault,
  parseAddress,
  parseConfig,
  parseCount,
  parseFrom,
  parseIndex,
  parsePort,
  queryPortDefault,
} from './arguments.ts'
import { exitCodes, printError } from './output.ts'

const servicesFile = 'a TypeScript or JavaScript module that exports services'

// A reader that has seen enough (`headwater tail x | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done)
  throw error
})

const exitCode = await run(process.argv)
// After a failure something may still be trying again; nothing waits for that.
if (exitCode === exitCodes.done) process.exitCode = exitCode
else process.exit(exitCode)

async function run(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(argv)
    return exitCodes.done
  } catch (error) {
    if (!(error instanceof CommanderError)) return printError(error, argv.includes('--json'))
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  }
}

function buildProgram(): Command {
  const program = new Command('headwater')
    .description(
      'Event-driven microservices on an embedded, durable, Kafka-compatible event broker.',
    )
    .version(version(), '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'headwater: ')),
    })
    .showHelpAfterError('Add --help to see what the command understands.')
  addStart(program)
  addBroker(program)
  addRun(program)
  addPlan(program)
  addRebuild(program)
  addReset(program)
  addTopics(program)
  addTail(program)
  addGet(program)
  return program
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function addStart(program: Command): void {
  program
    .command('start')
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
    .addOption(directoryOption('data/airline'))
    .addOption(portOption())
    .addOption(queryPortOption())
    .addOption(durabilityOption())
    .addOption(outsideBrokerOption())
    .option('--exit', 'end once the input is fully processed')
    .addOption(jsonOption('progress goes to standard error, the result is one JSON object'))
    .action(async (options) => (await import('./start.ts')).start(options))
}

function addBroker(program: Command): void {
  program
    .command('broker')
    .description('run the broker alone, for any Kafka client.')
    .addOption(directoryOption('data/broker'))
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addOption(portOption())
    .addOption(durabilityOption())
    .addOption(jsonOption('say where it listens as one JSON object'))
    .action(async (options) => (await import('./broker.ts')).runBroker(options))
}

function addRun(program: Command): void {
  program
    .command('run')
    .description('run the services that a module exports, with their queries over HTTP.')
    .argument('<file>', servicesFile)
    .addOption(directoryOption('data/run'))
    .addOption(portOption())
    .addOption(queryPortOption())
    .addOption(durabilityOption())
    .addOption(outsideBrokerOption())
    .addOption(
      new Option(
        '--on-topic-replaced <what>',
        'when a stream was deleted and made anew: stop, or read the new one from its beginning',
      )
        .choices(['stop', 'restart'])
        .default('stop'),
    )
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
    .addOption(jsonOption('one JSON object a service'))
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
  command('list', 'the topics of a broker', { isDefault: true }).action(async (options) =>
    (await import('./topics.ts')).listTopics(options),
  )
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
    .argument('[view]')
    .argument('[key]')
    .option('--url <url>', 'where the query server is', `http://127.0.0.1:${queryPortDefault}`)
    .option('--window <time>', 'the window that holds this time')
    .option('--prefix <text>', 'without a key: entries whose keys begin so')
    .option('--limit <n>', 'without a key: at most so many entries', parseCount)
    .addOption(jsonOption('print JSON on one line'))
    .action(async (service, view, key, options) =>
      (await import('./get.ts')).get({ service, view, key }, options),
    )
}

function yesOption(): Option {
  return new Option('--yes', 'do it without asking')
}

function directoryOption(path: string): Option {
  return new Option('--dir <path>', 'data directory, relative to the working directory').default(
    path,
  )
}

function portOption(): Option {
  return new Option('--port <n>', 'port for Kafka clients; 0 takes a free one')
    .argParser(parsePort)
    .default(kafkaPortDefault)
}

function queryPortOption(): Option {
  return new Option('--query-port <n>', 'port for queries over HTTP; 0 takes a free one')
    .argParser(parsePort)
    .default(queryPortDefault)
}

function durabilityOption(): Option {
  return new Option(
    '--durability <when>',
    'records are acknowledged when they are on disk, with the operating system, or in memory',
  )
    .choices(durabilities)
    .default('disk')
}

/** For commands that otherwise bring a broker of their own. */
function outsideBrokerOption(): Option {
  return new Option(
    '--broker <host:port>',
    'use this Kafka or Headwater broker, not one of its own',
  )
    .argParser(parseAddress)
    .conflicts(['dir', 'port', 'durability'])
}

/** For commands that need a broker that is there. */
function brokerOption(): Option {
  return new Option('--broker <host:port>', 'a Kafka or Headwater broker')
    .argParser(parseAddress)
    .default({ host: '127.0.0.1', port: kafkaPortDefault }, `127.0.0.1:${kafkaPortDefault}`)
}

function jsonOption(description: string): Option {
  return new Option('--json', description)
}
