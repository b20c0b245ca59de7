/** The commands of a project that is being written: `init`, `gen` and `dev`. */
import { Option } from 'commander'
import type { Command } from 'commander'
import {
  databaseOption,
  directoryOption,
  durabilityOption,
  jsonOption,
  portOption,
  queryPortOption,
  servicesFile,
} from './options.ts'

export function addInit(program: Command): void {
  program
    .command('init')
    .description('make a project: contracts, a service, an HTTP handler, a test.')
    .argument('<directory>', 'where; it must not be there yet, or be empty')
    .option(
      '--headwater <spec>',
      'what package.json asks for as headwater: a version, a .tgz, a path; this version unless said',
    )
    .addOption(jsonOption('say what was made as one JSON object'))
    .action(async (directory, options) => (await import('./init.ts')).init(directory, options))
}

export function addGen(program: Command): void {
  program
    .command('gen')
    .description(
      'make TypeScript of .proto files: messages, and the streams their options declare.',
    )
    .addOption(protoOption())
    .addOption(outOption())
    .option('--watch', 'again whenever a .proto file changes, until Ctrl-C')
    .addOption(jsonOption('say what was generated as one JSON object, and problems as JSON lines'))
    .action(async (options) => (await import('./gen.ts')).gen(options))
}

export function addDev(program: Command): void {
  program
    .command('dev')
    .description(
      'run a broker that stays up, and services that start again when a source file changes. State is kept.',
    )
    .argument('<file>', `${servicesFile}, or a program that runs them on HEADWATER_BROKER itself`)
    .addOption(directoryOption('data/dev'))
    .addOption(portOption())
    .addOption(queryPortOption())
    .addOption(durabilityOption())
    .addOption(protoOption())
    .addOption(outOption())
    .option('--no-gen', 'generate nothing when a .proto file changes')
    .addOption(jsonOption('say where it listens as one JSON object'))
    .action(async (file, options) => (await import('./dev.ts')).dev(file, options))
  program
    .command('dev-services', { hidden: true })
    .argument('<file>')
    .addOption(queryPortOption())
    .addOption(databaseOption())
    .addOption(jsonOption('as of `run`'))
    .action(async (file, options) => (await import('./dev-child.ts')).runServices(file, options))
}

function protoOption(): Option {
  return new Option('--proto <path>', 'the directory of .proto files').default('proto')
}

function outOption(): Option {
  return new Option('--out <path>', 'where the TypeScript goes, and nothing else').default('gen')
}
