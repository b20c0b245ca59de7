/** What tests of several instances share: asking one over HTTP, and waiting until all of them have their part. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

export interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  // oxlint-disable-next-line no-explicit-any -- the shape is what the tests check
  readonly body: any
}

export async function get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { headers })
  const body: unknown = await response.json()
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body }
}

interface Instance {
  stats(): { readonly state: string; readonly assignment: { tasks: readonly string[] } | undefined }
}

/** Whether these instances run and hold all of so many tasks, each some. */
export function isWhole(instances: readonly Instance[], taskCount: number): boolean {
  const stats = instances.map((instance) => instance.stats())
  const tasks = stats.map(({ assignment }) => assignment?.tasks.length ?? 0)
  return (
    stats.every(({ state }) => state === 'running') &&
    tasks.reduce((sum, count) => sum + count, 0) === taskCount &&
    !tasks.includes(0)
  )
}

export async function until(isSo: () => boolean): Promise<void> {
  for (const from = performance.now(); !isSo(); await delay(5)) {
    assert.ok(performance.now() - from < 30_000, 'it did not come to be')
  }
}
