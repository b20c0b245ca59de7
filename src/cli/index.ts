/**
 * The door to the command line, for programs of your own that host services and behave as `headwater`
 * does: flags, errors, Ctrl-C, progress and tables. `examples/airline` is one.
 */
export { kafkaPortDefault } from '../client/security/connection-string.ts'
export { parseCount, parsePort } from './arguments.ts'
export { Host } from './host.ts'
export type { HostOptions } from './host.ts'
export { Lifetime } from './lifetime.ts'
export type { Log } from './logging.ts'
export { addHostOptions, jsonOption } from './options.ts'
export { formatCount, formatSeconds, formatTable, print, printJson, printNote } from './output.ts'
export type { Column } from './output.ts'
export { newProgram, runProgram } from './program.ts'
export { Progress } from './progress.ts'
export type { LoadProgress, ServiceProgress, Snapshot } from './progress.ts'
