/**
 * Makes a broker's answers name another address: clients follow the addresses in answers, and would go
 * past a proxy otherwise. A cluster of one broker is all this knows.
 */
import type { ApiName, ResponseOf } from '../../src/protocol/api.ts'
import { decodeResponse, encodeResponse } from '../../src/protocol/frame.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** The answer as chunks with its length before it; undefined when it names no address. */
export function readdress(
  api: ApiName,
  version: number,
  frame: Uint8Array,
  to: Address,
): Uint8Array[] | undefined {
  if (api === 'Metadata') {
    const { correlationId, body } = decodeResponse(api, version, frame)
    const brokers = only(body.brokers).map((each) => ({ ...each, ...to }))
    return encodeResponse(api, version, correlationId, { ...body, brokers })
  }
  if (api === 'DescribeCluster') {
    const { correlationId, body } = decodeResponse(api, version, frame)
    const brokers = only(body.brokers).map((each) => ({ ...each, ...to }))
    return encodeResponse(api, version, correlationId, { ...body, brokers })
  }
  if (api === 'FindCoordinator') {
    const { correlationId, body } = decodeResponse(api, version, frame)
    return encodeResponse(api, version, correlationId, atProxy(body, version, to))
  }
  return undefined
}

function atProxy(
  body: ResponseOf<'FindCoordinator'>,
  version: number,
  to: Address,
): ResponseOf<'FindCoordinator'> {
  if (version < 4) return body.errorCode === 0 ? { ...body, ...to } : body
  const coordinators = body.coordinators.map((each) => {
    return each.errorCode === 0 ? { ...each, ...to } : each
  })
  return { ...body, coordinators }
}

function only<T>(brokers: readonly T[]): readonly T[] {
  if (brokers.length > 1) {
    throw new Error(`the cluster has ${brokers.length} brokers: chaos needs one that stands alone`)
  }
  return brokers
}
