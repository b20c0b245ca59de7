/** `npm run seats`: the booking of seats as a program. */
import { enableCompileCache } from 'node:module'

// What is imported from here on is compiled once, not at each start.
enableCompileCache()
const [{ runProgram }, { seatsCommand }] = await Promise.all([
  import('../../src/cli/index.ts'),
  import('./command.ts'),
])
await runProgram(seatsCommand(), process.argv)
