/**
 * ApiVersions: what a client asks first, in whatever version it happens to know. And the SASL of a broker
 * that asks nobody who they are: refused, as Kafka does on a plain-text listener.
 */
import {
  announcedVersions,
  apiNames,
  apis,
  type RequestOf,
  type ResponseInput,
} from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Handlers, RequestContext } from './context.ts'

/** KIP-511: names that are fit to stand in a metric. */
const softwarePattern = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

/** Features that decide what clients do: transaction.version 2 makes them use KIP-890. */
const features = [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }] as const

export const handshakeHandlers: Handlers = {
  ApiVersions: (request, context) => {
    const { version } = context
    const named =
      softwarePattern.test(request.clientSoftwareName) &&
      softwarePattern.test(request.clientSoftwareVersion)
    // A cluster and a broker of it are meant together or not at all (KIP-1242).
    const isHalfMeant = (request.clusterId === null) !== (request.nodeId === -1)
    if ((version >= 3 && !named) || isHalfMeant) return { errorCode: ErrorCode.INVALID_REQUEST }
    if (meansAnother(request, context)) return { errorCode: ErrorCode.REBOOTSTRAP_REQUIRED }
    return {
      errorCode: ErrorCode.NONE,
      apiKeys,
      // Clients before version 4 cannot read a feature whose lowest version is 0 (KAFKA-17011).
      supportedFeatures: version >= 4 ? features : [],
      finalizedFeaturesEpoch: 0,
      finalizedFeatures: features.map(({ name, maxVersion }) => ({
        name,
        maxVersionLevel: maxVersion,
        minVersionLevel: maxVersion,
      })),
    }
  },
  SaslHandshake: () => ({ errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] }),
  SaslAuthenticate: () => ({
    errorCode: ErrorCode.ILLEGAL_SASL_STATE,
    errorMessage: 'this listener asks nobody who they are: there is no SASL on it',
  }),
}

/** Whether the client looks for another cluster, or another broker of it, at this address. */
function meansAnother(
  asked: RequestOf<'ApiVersions'>,
  { clusterId, config }: RequestContext,
): boolean {
  if (asked.clusterId === null) return false
  return asked.clusterId !== clusterId || asked.nodeId !== config.nodeId
}

/** The answer to an ApiVersions of a version not spoken here: always readable, in version 0. */
export const unsupportedApiVersions: ResponseInput<'ApiVersions'> = {
  errorCode: ErrorCode.UNSUPPORTED_VERSION,
  apiKeys: [
    {
      apiKey: apis.ApiVersions.key,
      minVersion: apis.ApiVersions.versions[0],
      maxVersion: apis.ApiVersions.versions[1],
    },
  ],
}

const apiKeys = apiNames.map((name) => {
  const [minVersion, maxVersion] = announcedVersions(name)
  return { apiKey: apis[name].key, minVersion, maxVersion }
})
