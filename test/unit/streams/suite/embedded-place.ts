/** Where the streams suite runs without Kafka: an embedded broker, durable, on the real disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded } from '../../../../src/broker/embedded.ts'
import type { Place } from '../../../streams-suite/place.ts'

export async function embeddedPlace(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-streams-'))
  const broker = await embedded(directory)
  return {
    broker,
    close: async () => {
      await broker.close()
      await rm(directory, { recursive: true })
    },
  }
}
