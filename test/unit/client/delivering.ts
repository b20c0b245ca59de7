/** A delivering producer before a broker that answers what a test wants. */
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { DeliveringProducer } from '../../../src/client/producer/delivering-producer.ts'
import type { DeliveringOptions } from '../../../src/client/producer/delivering-producer.ts'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import type { ApiName } from '../../../src/protocol/api.ts'
import { readBatchHeader } from '../../../src/records/batch.ts'
import { decodeRecords } from '../../../src/records/record.ts'
import type { Answer as ApiAnswer, Asked } from './scripted-broker.ts'
import { scriptedBroker } from './scripted-broker.ts'

export interface Produced {
  readonly partition: number
  readonly producerId: number
  readonly baseSequence: number
  readonly values: readonly string[]
}

/** Code, and the offset of the first record; -1 for no answer at all: the connection breaks. */
type Answer = { readonly code: number; readonly baseOffset?: number }

export const stored = (baseOffset: number): Answer => ({ code: 0, baseOffset })
export const noAnswer: Answer = { code: -1 }

export async function producerAt(
  answer: (batch: Produced, turn: number) => Answer,
  options: Partial<DeliveringOptions> = {},
  script: Partial<Record<ApiName, ApiAnswer>> = {},
  clock = nodeClock,
) {
  const produced: Produced[] = []
  let producerId = 0
  const broker = scriptedBroker({
    InitProducerId: () => ({ producerId: ++producerId, producerEpoch: 0 }),
    Produce: (asked) => {
      const { topicData } = (asked as Asked<'Produce'>).body
      const results = topicData.flatMap(({ partitionData }) =>
        partitionData.map(({ index, records }) => {
          const header = readBatchHeader(records!)
          const batch = {
            partition: index,
            producerId: header.producerId,
            baseSequence: header.baseSequence,
            values: decodeRecords(records!).map(({ value }) =>
              new TextDecoder().decode(value ?? undefined),
            ),
          }
          produced.push(batch)
          const { code, baseOffset = -1 } = answer(batch, produced.length)
          return { index, errorCode: code, baseOffset }
        }),
      )
      if (results.some(({ errorCode }) => errorCode === -1)) return asked.duplex.destroy()
      return { responses: [{ name: 't', partitionResponses: results }] }
    },
    ...script,
  })
  const cluster = Cluster.unasked({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: broker.dial,
    clock,
    random: nodeRandom,
  })
  const producer = new DeliveringProducer(cluster, {
    bufferBytesMax: 1_000_000,
    deliveryTimeoutMs: 5_000,
    prepare: async () => {},
    ...options,
  })
  const told: Record<string, string> = {}
  const send = (partition: number, value: string): boolean =>
    producer.append('t', partition, 1, null, new TextEncoder().encode(value), {
      delivered: (at, offset) => (told[value] = `${at}/${offset}`),
      failed: ({ code }, isUnknown) => (told[value] = `${code}${isUnknown ? ', unknown' : ''}`),
    })
  const end = async (): Promise<void> => {
    producer.close(new HeadwaterError('producer-closed', 'the test is over'))
    await cluster.close()
  }
  return { producer, cluster, broker, send, told, produced, end }
}
