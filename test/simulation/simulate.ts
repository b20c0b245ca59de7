/** Runs `npm run sim` outside the test runner, whose bookkeeping of every promise would take most of the time. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** How many histories came out right. */
export async function simulate(...options: string[]): Promise<number> {
  return Number(/^(\d+) histories came out right/m.exec(await output(...options))?.[1])
}

/** What it prints; rejects when something did not come out right. */
export async function output(...options: string[]): Promise<string> {
  const script = new URL('../../scripts/sim.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...options])
  return stdout
}
