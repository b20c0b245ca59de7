/** Flags that several commands share, each with its default and its check. */
import { Option } from 'commander'
import type { Command } from 'commander'
import {
  durabilities,
  memoryMiBDefault,
  parseAdvertise,
  parseHost,
  parseInstanceId,
  parseIndex,
  parseListener,
  parseMemory,
  parsePort,
  parseQueryAdvertise,
  queryPortDefault,
} from './arguments.ts'
import { kafkaPortDefault } from '../client/security/connection-string.ts'
import { configOption } from './config-file.ts'
import { hostDefault } from './listeners.ts'
import { logFormats, logLevels } from './log-options.ts'

/**
 * Adds the flags of a program that hosts services (`--dir`, those of listeners, `--query-host`,
 * `--query-port`, `--query-advertise`, `--durability`, `--broker`, `--instance-id`, `--ready-lag` and those of the
 * log), and takes all flags of the command from the environment and a file, too; what they say is `HostOptions`.
 * @param directory where the data lies when `--dir` is left out
 */
export function addHostOptions(command: Command, directory: string): Command {
  command.addOption(directoryOption(directory))
  addListenerOptions(command, 'address to listen on, for Kafka clients and for queries')
    .addOption(queryHostOption())
    .addOption(queryPortOption())
    .addOption(queryAdvertiseOption())
    .addOption(durabilityOption())
    .addOption(outsideBrokerOption())
    .addOption(instanceIdOption())
    .addOption(
      new Option(
        '--ready-lag <records>',
        'not ready (/health/ready) while a service has more records before it; unbounded unless said',
      ).argParser(parseIndex),
    )
  return addProgramOptions(command)
}

/** Adds what every program that stays up has: `--log-format`, `--log-level` and `--config`. */
export function addProgramOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--log-format <form>',
        'what standard error has: JSON lines, unless it is a terminal, or text',
      ).choices(logFormats),
    )
    .addOption(
      new Option('--log-level <least>', 'what is said there: entries of this level and above')
        .choices(logLevels)
        .default('info'),
    )
    .addOption(configOption())
}

export function directoryOption(path: string): Option {
  return new Option('--dir <path>', 'data directory, relative to the working directory').default(
    path,
  )
}

/**
 * Adds `--host`, `--port`, `--listener` and `--advertise`: `ListenerFlags`.
 * @param host what `--host` is
 */
export function addListenerOptions(command: Command, host = 'address to listen on'): Command {
  return command
    .addOption(
      new Option('--host <address>', `${host}; 0.0.0.0 or :: lets other machines in`)
        .argParser(parseHost)
        .default(hostDefault),
    )
    .addOption(portOption())
    .addOption(
      new Option(
        '--listener <name=host:port>',
        'listen here for Kafka clients, not at --host and --port; may be repeated, each with a name',
      )
        .argParser(parseListener)
        .conflicts(['host', 'port']),
    )
    .addOption(
      new Option(
        '--advertise <[name=]host:port>',
        'what clients (of the listener of that name) are told to dial, as behind a mapped port; ' +
          'otherwise the address each has dialled',
      ).argParser(parseAdvertise),
    )
}

export function portOption(): Option {
  return new Option('--port <n>', 'port for Kafka clients; 0 takes a free one')
    .argParser(parsePort)
    .default(kafkaPortDefault)
}

function queryHostOption(): Option {
  return new Option(
    '--query-host <address>',
    'address to listen on for queries, when not that of --host',
  ).argParser(parseHost)
}

export function queryPortOption(): Option {
  return new Option('--query-port <n>', 'port for queries over HTTP; 0 takes a free one')
    .argParser(parsePort)
    .default(queryPortDefault)
}

function queryAdvertiseOption(): Option {
  return new Option(
    '--query-advertise <host:port>',
    'where other instances of the services ask for what is here, as behind a mapped port',
  ).argParser(parseQueryAdvertise)
}

function instanceIdOption(): Option {
  return new Option(
    '--instance-id <id>',
    "tells the instances of a service apart: each needs its own, and keeps it; '1' unless said",
  ).argParser(parseInstanceId)
}

export function durabilityOption(): Option {
  return new Option(
    '--durability <when>',
    'records are acknowledged when they are on disk, with the operating system, or in memory',
  )
    .choices(durabilities)
    .default('disk')
}

export function memoryOption(): Option {
  return new Option(
    '--memory <MiB>',
    'memory for what comes and goes with the load, beside the 120 MiB or so of the process itself',
  )
    .argParser(parseMemory)
    .default(memoryMiBDefault)
}

export function metricsPortOption(): Option {
  return new Option(
    '--metrics-port <n>',
    'serve /metrics and /health on this port of --host; 0 takes a free one; nothing unless said',
  ).argParser(parsePort)
}

/** For commands that otherwise bring a broker of their own. */
function outsideBrokerOption(): Option {
  return new Option(
    '--broker <address>',
    `use this Kafka cluster or Headwater broker, not one of its own: ${addressForms}`,
  ).conflicts(['dir', 'port', 'listener', 'advertise', 'durability'])
}

/** For commands that have to do with sinks. */
export function databaseOption(): Option {
  return new Option(
    '--database <uri>',
    "PostgreSQL, for the module's sinks: postgres://USER:PASSWORD@HOST:PORT/DATABASE; what is not said " +
      'comes of PGHOST and its siblings',
  )
}

/** For commands that need a broker that is there. */
export function brokerOption(): Option {
  return new Option(
    '--broker <address>',
    `a Kafka cluster or Headwater broker: ${addressForms}`,
  ).default(`127.0.0.1:${kafkaPortDefault}`)
}

/**
 * What is said of an address in help. It is read when it is used and not here: whoever refuses a flag repeats
 * it, and this one may hold a password.
 */
const addressForms = 'HOST:PORT[,HOST:PORT], or kafka+ssl://USER@HOST:PORT?sasl=MECHANISM&ca=FILE'

/** `--json`. @param description what comes out as JSON */
export function jsonOption(description: string): Option {
  return new Option('--json', description)
}

export function yesOption(): Option {
  return new Option('--yes', 'do it without asking')
}

/** What a file has to be that services are taken from. */
export const servicesFile = 'a TypeScript or JavaScript module that exports services, or sinks'
