/** The streams suite on the embedded broker, durable, on the real disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded } from '../../../src/broker/embedded.ts'
import { backlogsSuite } from '../../streams-suite/backlogs.ts'
import { exactlyOnceSuite } from '../../streams-suite/exactly-once.ts'
import { failuresSuite } from '../../streams-suite/failures.ts'
import { identitySuite } from '../../streams-suite/identity.ts'
import { inputsSuite } from '../../streams-suite/inputs.ts'
import { misbehavingGroupsSuite } from '../../streams-suite/misbehaving-groups.ts'
import { operatorsSuite } from '../../streams-suite/operators.ts'
import type { Place } from '../../streams-suite/place.ts'
import { runningSuite } from '../../streams-suite/running.ts'
import { timesSuite } from '../../streams-suite/times.ts'

async function openPlace(): Promise<Place> {
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

operatorsSuite(openPlace)
exactlyOnceSuite(openPlace, { crashes: 12 })
inputsSuite(openPlace, { crashes: 12 })
failuresSuite(openPlace)
identitySuite(openPlace)
misbehavingGroupsSuite(openPlace)
runningSuite(openPlace)
timesSuite(openPlace)
backlogsSuite(openPlace)
