/**
 * What a program that stays up says on standard error while it runs, as entries with a level: one JSON object a
 * line for whoever collects them, or only their text for somebody who reads along.
 */
import { pino } from 'pino'
import type { LogFormat, LogOptions } from './log-options.ts'
import { divertErrors, printNote } from './output.ts'

/** What is said beside the text: it never holds a secret. */
type LogFields = Readonly<Record<string, unknown>>

export interface Log {
  readonly format: LogFormat
  debug(fields: LogFields, text: string): void
  info(fields: LogFields, text: string): void
  warn(fields: LogFields, text: string): void
  error(fields: LogFields, text: string): void
}

/**
 * Opens the log of a program. In JSON the error that ends the program is an entry, too.
 * @param write takes one line without its end
 */
export function openLog(options: LogOptions, write: (line: string) => void = printNote): Log {
  const { logLevel = 'info' } = options
  const format = options.logFormat ?? (options.json || !process.stderr.isTTY ? 'json' : 'pretty')
  const lines = format === 'json' ? write : (line: string) => write(textOf(line))
  const logger = pino(
    {
      level: logLevel,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line: string) => lines(line.trimEnd()) },
  )
  const log: Log = {
    format,
    debug: (fields, text) => logger.debug(fields, text),
    info: (fields, text) => logger.info(fields, text),
    warn: (fields, text) => logger.warn(fields, text),
    error: (fields, text) => logger.error(fields, text),
  }
  if (format === 'json') {
    divertErrors((error) => log.error({ error }, error.message))
  }
  return log
}

function textOf(line: string): string {
  return (JSON.parse(line) as { readonly msg: string }).msg
}
