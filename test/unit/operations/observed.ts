/** Services at work for whoever looks at them, and what a scrape of their metrics says. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { embedded } from '../../../src/broker/embedded.ts'
import type { EmbeddedBroker } from '../../../src/broker/embedded.ts'

/** Gives `test` a broker of its own. */
export async function withBroker(test: (broker: EmbeddedBroker) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-operations-'))
  const broker = await embedded(directory, { durability: 'os' })
  try {
    await test(broker)
  } finally {
    await broker.close()
    await rm(directory, { recursive: true })
  }
}

export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(20)
}

/** Values by name and labels, as in `up{job="x"}`. */
export function valuesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}
