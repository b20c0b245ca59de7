/** `npm run seats` as a process of its own, as a user starts it. */
import { join } from 'node:path'
import { Command } from '../airline/command.ts'

const program = join(import.meta.dirname, '../../examples/seats/main.ts')

export interface SeatsProgram {
  /** Where the web application is. */
  readonly url: string
  /** Where other instances find its broker. */
  readonly kafka: string
  /** The status with which it ended. */
  end(signal: 'SIGKILL' | 'SIGINT'): Promise<number | null>
}

export function seatsCommand(args: readonly string[]): Command {
  return new Command(args, {}, program)
}

/** Resolves when it serves, on free ports. */
export async function startSeats(args: readonly string[]): Promise<SeatsProgram> {
  const kafkaPort = args.includes('--broker') ? [] : ['--port', '0']
  const command = seatsCommand(['--query-port', '0', '--web-port', '0', ...kafkaPort, ...args])
  await command.printed('Ctrl-C')
  return {
    url: /http:\S+/.exec(command.stdout)![0],
    kafka: /Kafka (\S+),/.exec(command.stderr)![1]!,
    end: async (signal) => {
      command.process.kill(signal)
      return (await command.ended).code
    },
  }
}
