/** `npm start`: the airline example as a program. */
import { enableCompileCache } from 'node:module'

// What is imported from here on is compiled once, not at each start.
enableCompileCache()
const [{ runProgram }, { airlineCommand }] = await Promise.all([
  import('../../src/cli/index.ts'),
  import('./command.ts'),
])
await runProgram(airlineCommand(), process.argv)
