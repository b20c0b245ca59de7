/** A command line as a program: how it speaks of wrong flags, and how it ends. */
import { Command, CommanderError, Help } from 'commander'
import { shapeHeap } from '../io/node-heap.ts'
import { compileOnce } from '../io/node-process.ts'
import { fillIn, variableOf } from './config-file.ts'
import type { LogOptions } from './log-options.ts'
import { exitCodes, printError } from './output.ts'

/** The command that is being done. */
let begun: Command | undefined

/**
 * A command of `commander` that answers as Headwater's own do: a wrong command line is one line that says
 * what is wrong, with a suggestion where there is one. Flags come from the environment and a file, too. Its
 * sub-commands do the same.
 * @param name as help shows it
 */
export function newProgram(name: string): Command {
  return new Command(name)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'headwater: ')),
    })
    .showHelpAfterError('Add --help to see what the command understands.')
    .configureHelp(namingVariables())
    .hook('preAction', (_, command) => {
      begun = command
      fillIn(command)
    })
}

/** Help that names the variable of each flag that has one. */
function namingVariables(): Partial<Help> {
  let shown: Command | undefined
  return {
    visibleOptions(this: Help, command) {
      shown = command
      return Help.prototype.visibleOptions.call(this, command)
    },
    optionDescription(this: Help, option) {
      const text = Help.prototype.optionDescription.call(this, option)
      const variable = shown && variableOf(option, shown)
      return variable === undefined ? text : `${text} [${variable}]`
    },
  }
}

/**
 * Parses `argv` (as in `process.argv`), does what it asks for, and ends the process with the exit code for
 * it: 0 done, 1 an operating error (one line on standard error; with `--json` an object), 2 a wrong
 * command line, 70 a bug, 130 stopped before it was done.
 */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  compileOnce()
  shapeHeap()
  // A reader that has seen enough (`headwater tail x | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.done)
    throw error
  })
  const exitCode = await parse(program, argv)
  // After a failure something may still be trying again; nothing waits for that.
  if (exitCode === exitCodes.done) process.exitCode = exitCode
  else process.exit(exitCode)
}

async function parse(program: Command, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync(argv)
    return exitCodes.done
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      await openLogOf(begun)
      return printError(error, argv.includes('--json'))
    }
    return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  }
}

/** A program that has a log says there why it ends, also when it ended before it opened its log. */
async function openLogOf(command: Command | undefined): Promise<void> {
  if (command?.options.some(({ long }) => long === '--log-format') !== true) return
  const { openLog } = await import('./logging.ts')
  openLog(command.opts<LogOptions>())
}
