/** The commands of a project that is being written: `init`, `gen`, `schema` and `dev`. */
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

export function addSchema(program: Command): void {
  const schema = program
    .command('schema')
    .description('what changed in contracts, and whether it may.')
  schema
    .command('diff')
    .description(
      'say what changed between two versions, and what it means for whoever reads the events.\n' +
        'A version is a directory of .proto files, git:REF, git:REF:DIRECTORY, or a file of descriptors.',
    )
    .argument('<before>', 'the old version')
    .argument('[after]', 'the new version', 'proto')
    .addOption(jsonOption('as one JSON object'))
    .action(async (before, after, options) =>
      (await import('./schema.ts')).diff(before, after, options),
    )
  schema
    .command('check')
    .description(
      'end with code 2 when a change breaks what its stream promises (compatibility in its option).',
    )
    .argument('[directory]', 'of .proto files', 'proto')
    .addOption(
      new Option('--against <version...>', 'what it may not break, the latest first').default(
        ['git:HEAD'],
        'git:HEAD',
      ),
    )
    .addOption(
      new Option('--also <what...>', 'judge these as well, not the bytes alone')
        .choices(['json', 'source'])
        .default([], 'none'),
    )
    .option('--github', "refusals as GitHub's annotations, too")
    .addOption(jsonOption('as one JSON object').conflicts('github'))
    .action(async (directory, options) => (await import('./schema.ts')).check(directory, options))
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
