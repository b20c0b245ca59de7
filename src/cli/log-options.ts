/** What can be said about the log of a program, apart from it: help needs no logger. */

/** Least first. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const
type LogLevel = (typeof logLevels)[number]

export const logFormats = ['json', 'pretty'] as const
export type LogFormat = (typeof logFormats)[number]

export interface LogOptions {
  /** `json` when left out and standard error is no terminal. */
  readonly logFormat?: LogFormat
  /** `info` when left out. */
  readonly logLevel?: LogLevel
  /** Results are JSON, and so are entries unless `logFormat` says otherwise. */
  readonly json?: boolean
}
