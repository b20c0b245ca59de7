/** The first frame of every connection. */
import {
  array,
  bool,
  ignorable,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
  tagged,
} from '../schema.ts'

/**
 * ApiVersions · KIP-35. v3 names the client (KIP-511), and carries features (KIP-584); v5 says which
 * broker of which cluster it means (KIP-1242).
 */
export const ApiVersionsRequest = struct({
  clientSoftwareName: ignorable(since(3, string)),
  clientSoftwareVersion: ignorable(since(3, string)),
  clusterId: ignorable(since(5, nullable(string, 5), null)),
  nodeId: ignorable(since(5, int32, -1)),
})

export const ApiVersionsResponse = struct({
  errorCode: int16,
  apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
  throttleTimeMs: ignorable(since(1, int32)),
  supportedFeatures: ignorable(
    tagged(0, 3, array(struct({ name: string, minVersion: int16, maxVersion: int16 }))),
  ),
  finalizedFeaturesEpoch: ignorable(tagged(1, 3, int64, -1)),
  finalizedFeatures: ignorable(
    tagged(2, 3, array(struct({ name: string, maxVersionLevel: int16, minVersionLevel: int16 }))),
  ),
  zkMigrationReady: ignorable(tagged(3, 3, bool)),
})
