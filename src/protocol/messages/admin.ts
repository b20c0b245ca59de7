/** Configurations and disks. */
import {
  array,
  bool,
  ignorable,
  int16,
  int32,
  int64,
  int8,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'

/** DescribeConfigs · v1 has synonyms (KIP-226), v3 types and documentation (KIP-569). */
export const DescribeConfigsRequest = struct({
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      configurationKeys: nullable(array(string)),
    }),
  ),
  includeSynonyms: since(1, bool),
  includeDocumentation: since(3, bool),
})

const DescribedConfig = struct({
  name: string,
  value: nullable(string),
  readOnly: bool,
  configSource: ignorable(since(1, int8, -1)),
  isSensitive: bool,
  synonyms: ignorable(
    since(
      1,
      array(
        struct({
          name: string,
          value: nullable(string),
          source: int8,
        }),
      ),
    ),
  ),
  configType: ignorable(since(3, int8)),
  documentation: ignorable(since(3, nullable(string))),
})

export const DescribeConfigsResponse = struct({
  throttleTimeMs: int32,
  results: array(
    struct({
      errorCode: int16,
      errorMessage: nullable(string),
      resourceType: int8,
      resourceName: string,
      configs: array(DescribedConfig),
    }),
  ),
})

const AlteredResource = struct({
  errorCode: int16,
  errorMessage: nullable(string),
  resourceType: int8,
  resourceName: string,
})

/** AlterConfigs · KIP-133. It replaces all of a resource's configs; the next one edits them. */
export const AlterConfigsRequest = struct({
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      configs: array(struct({ name: string, value: nullable(string) })),
    }),
  ),
  validateOnly: bool,
})

export const AlterConfigsResponse = struct({
  throttleTimeMs: int32,
  responses: array(AlteredResource),
})

/** IncrementalAlterConfigs · KIP-339. */
export const IncrementalAlterConfigsRequest = struct({
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      configs: array(struct({ name: string, configOperation: int8, value: nullable(string) })),
    }),
  ),
  validateOnly: bool,
})

export const IncrementalAlterConfigsResponse = struct({
  throttleTimeMs: int32,
  responses: array(AlteredResource),
})

/** ListConfigResources · KIP-1142; v0 knew client metrics only (KIP-714). */
export const ListConfigResourcesRequest = struct({ resourceTypes: since(1, array(int8)) })

export const ListConfigResourcesResponse = struct({
  throttleTimeMs: int32,
  errorCode: int16,
  configResources: array(
    struct({ resourceName: string, resourceType: ignorable(since(1, int8, 16)) }),
  ),
})

/** DescribeLogDirs · KIP-113. v4 has the disk's size (KIP-827), v5 cordoned directories (KIP-1066). */
export const DescribeLogDirsRequest = struct({
  topics: nullable(array(struct({ topic: string, partitions: array(int32) }))),
})

const LogDirPartition = struct({
  partitionIndex: int32,
  partitionSize: int64,
  offsetLag: int64,
  isFutureKey: bool,
})

export const DescribeLogDirsResponse = struct({
  throttleTimeMs: int32,
  errorCode: ignorable(since(3, int16)),
  results: array(
    struct({
      errorCode: int16,
      logDir: string,
      topics: array(struct({ name: string, partitions: array(LogDirPartition) })),
      totalBytes: ignorable(since(4, int64, -1)),
      usableBytes: ignorable(since(4, int64, -1)),
      isCordoned: ignorable(since(5, bool)),
    }),
  ),
})
