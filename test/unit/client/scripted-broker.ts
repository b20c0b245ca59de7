/** A broker that says what a test wants: the real frames over a real pipe, answers by function. */
import type { Dial, Duplex } from '../../../src/io/ports.ts'
import { pipe } from '../../../src/io/pipe.ts'
import type { ApiName, ResponseInput, RequestOf } from '../../../src/protocol/api.ts'
import { announcedVersions, apiNames, apis } from '../../../src/protocol/api.ts'
import { decodeRequest, encodeResponse, FrameSplitter } from '../../../src/protocol/frame.ts'

export interface Asked<N extends ApiName = ApiName> {
  readonly api: N
  readonly version: number
  readonly correlationId: number
  readonly body: RequestOf<N>
  /** The broker's end of the connection it came by. */
  readonly duplex: Duplex
  readonly port: number
}

/** An answer's body; undefined leaves the request without one. */
export type Answer = (asked: Asked) => unknown

export interface ScriptedBroker {
  readonly dial: Dial
  readonly asked: Asked[]
}

/** The handshake is answered by itself unless the script answers it. */
export function scriptedBroker(script: Partial<Record<ApiName, Answer>>): ScriptedBroker {
  const asked: Asked[] = []
  const dial: Dial = async (host, port) => {
    const [ours, theirs] = pipe({ address: { host, port } })
    const splitter = new FrameSplitter()
    theirs.onClose(() => undefined)
    theirs.onBytes((chunk) => {
      for (const frame of splitter.push(chunk)) {
        const request = decodeRequest(frame)
        if ('unsupported' in request) throw new Error('a request of no known version')
        const { api, version, correlationId } = request
        const one = { ...request, body: request.body as never, duplex: theirs, port }
        asked.push(one)
        const body = (script[api] ?? defaults[api])?.(one)
        if (body === undefined) continue
        theirs.write(encodeResponse(api, version, correlationId, body as ResponseInput<ApiName>))
      }
    })
    return ours
  }
  return { dial, asked }
}

/** One broker with id 1 that leads two partitions of every topic. */
const defaults: Partial<Record<ApiName, Answer>> = {
  ApiVersions: () => ({
    apiKeys: apiNames.map((name) => ({
      apiKey: apis[name].key,
      minVersion: announcedVersions(name)[0],
      maxVersion: announcedVersions(name)[1],
    })),
  }),
  Metadata: (asked) => metadataOf(asked, [{ nodeId: 1, host: 'one', port: 1 }], 1),
  InitProducerId: () => ({ producerId: 5, producerEpoch: 0 }),
  FindCoordinator: () => ({ coordinators: [{ key: 'any', nodeId: 1, host: 'one', port: 1 }] }),
}

export function metadataOf(
  asked: Asked,
  brokers: readonly { nodeId: number; host: string; port: number }[],
  leaderId: number,
): ResponseInput<'Metadata'> {
  const { topics } = (asked as Asked<'Metadata'>).body
  return {
    brokers,
    controllerId: brokers[0]!.nodeId,
    topics: (topics ?? []).map(({ name }) => ({
      name,
      partitions: [0, 1].map((partitionIndex) => ({ partitionIndex, leaderId, leaderEpoch: 0 })),
    })),
  }
}
