/** Starts service.ts as a process of its own. */
import { join } from 'node:path'
import { here } from './contracts.ts'
import { LineProcess } from './line-process.ts'

/** @param o.home the checkout it is of; `nodeFlags` go before the script */
export function startService(
  what: 'filter' | 'count',
  port: number,
  o: { readonly home?: string; readonly nodeFlags?: readonly string[] } = {},
): LineProcess {
  const script = join(import.meta.dirname, 'service.ts')
  const args = [script, what, `127.0.0.1:${port}`, o.home ?? here]
  return new LineProcess(process.execPath, [...(o.nodeFlags ?? []), ...args])
}
