/** `npm start`: the airline example as a program. */
import { runProgram } from '../../src/cli/index.ts'
import { airlineCommand } from './command.ts'

await runProgram(airlineCommand(), process.argv)
