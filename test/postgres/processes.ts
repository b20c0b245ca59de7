/** Processes that run `reporting`, until they are killed. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Bench } from './database.ts'

const script = join(import.meta.dirname, 'child.ts')
const children = new Set<ChildProcess>()

export function killAll(): void {
  for (const child of children) child.kill('SIGKILL')
}

/** Resolves when it writes. */
export async function start({ address, url }: Bench, instance: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, address, url, instance], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  children.add(child)
  const [message] = (await once(child, 'message', { signal: AbortSignal.timeout(60_000) })) as [
    string,
  ]
  assert.equal(message, 'running')
  return child
}

export async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  children.delete(child)
}
