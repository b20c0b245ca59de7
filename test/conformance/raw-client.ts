/** A client that says exactly what it is told to, right or wrong, over TCP or inside the process. */
import { utf8Bytes } from '../../src/base/bytes.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import type { Duplex } from '../../src/io/ports.ts'
import type { ApiName, RequestInput, ResponseOf } from '../../src/protocol/api.ts'
import { decodeResponse, encodeRequest, FrameSplitter } from '../../src/protocol/frame.ts'
import { BatchBuilder } from '../../src/records/record.ts'

export class RawClient {
  readonly duplex: Duplex
  readonly #splitter = new FrameSplitter()
  readonly #frames: Uint8Array[] = []
  readonly #end = Promise.withResolvers<void>()
  #wake = Promise.withResolvers<void>()
  #ended = false
  #correlationId = 1

  constructor(duplex: Duplex) {
    this.duplex = duplex
    duplex.onBytes((chunk) => {
      this.#frames.push(...this.#splitter.push(chunk))
      this.#wake.resolve()
    })
    duplex.onClose(() => {
      this.#ended = true
      this.#end.resolve()
      this.#wake.resolve()
    })
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await nodeNetwork.connect('127.0.0.1', port))
  }

  send<N extends ApiName>(api: N, version: number, body: RequestInput<N>): number {
    const correlationId = this.#correlationId++
    this.duplex.write(encodeRequest(api, version, correlationId, 'raw', body))
    return correlationId
  }

  /** The next frame; undefined when the connection ended instead. */
  async receive(): Promise<Uint8Array | undefined> {
    while (this.#frames.length === 0 && !this.#ended) {
      await this.#wake.promise
      this.#wake = Promise.withResolvers<void>()
    }
    return this.#frames.shift()
  }

  async ask<N extends ApiName>(
    api: N,
    version: number,
    body: RequestInput<N>,
  ): Promise<ResponseOf<N>> {
    const correlationId = this.send(api, version, body)
    const frame = await this.receive()
    if (frame === undefined) throw new Error(`the connection ended before the answer to ${api}`)
    const response = decodeResponse(api, version, frame)
    if (response.correlationId !== correlationId) throw new Error('an answer to another request')
    return response.body
  }

  /** Resolves when the other side has closed the connection. */
  ended(): Promise<void> {
    return this.#end.promise
  }

  close(): void {
    this.duplex.destroy()
  }
}

/** A batch with one record for each value. */
export function batchOf(
  values: readonly string[],
  o: Parameters<BatchBuilder['finish']>[0] & { key?: string | null; timestamp?: number } = {},
): Uint8Array {
  const { key = 'key', timestamp = Date.now(), ...finish } = o
  const builder = new BatchBuilder()
  for (const value of values) {
    builder.append(timestamp, key === null ? null : utf8Bytes(key), utf8Bytes(value))
  }
  return builder.finish(finish)
}

/** The one partition's part of a produce response. */
export async function produce(
  client: RawClient,
  topic: string,
  records: Uint8Array | null,
  o: { version?: number; partition?: number; acks?: number; transactionalId?: string } = {},
) {
  const { version = 11, partition = 0, acks = -1, transactionalId = null } = o
  const { responses } = await client.ask('Produce', version, {
    acks,
    timeoutMs: 1000,
    transactionalId,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  })
  return responses[0]!.partitionResponses[0]!
}

export async function createTopic(
  client: RawClient,
  name: string,
  numPartitions = 1,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { topics } = await client.ask('CreateTopics', 7, {
    topics: [
      {
        name,
        numPartitions,
        replicationFactor: -1,
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
  })
  if (topics[0]?.errorCode !== 0)
    throw new Error(`cannot create ${name}: ${topics[0]?.errorMessage}`)
}
