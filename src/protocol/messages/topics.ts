/** Creating, deleting and growing topics. */
import {
  array,
  bool,
  ignorable,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
  tagged,
  until,
  uuid,
  withDefault,
} from '../schema.ts'

/** CreateTopics · KIP-4. v4 takes −1 for the broker's defaults; v5 answers with the configs. */
export const CreateTopicsRequest = struct({
  topics: array(
    struct({
      name: string,
      numPartitions: int32,
      replicationFactor: int16,
      assignments: array(struct({ partitionIndex: int32, brokerIds: array(int32) })),
      configs: array(struct({ name: string, value: nullable(string) })),
    }),
  ),
  timeoutMs: withDefault(int32, 60_000),
  validateOnly: since(1, bool),
})

const CreatedTopicConfig = struct({
  name: string,
  value: nullable(string),
  readOnly: bool,
  configSource: ignorable(withDefault(int8, -1)),
  isSensitive: bool,
})

export const CreateTopicsResponse = struct({
  throttleTimeMs: ignorable(since(2, int32)),
  topics: array(
    struct({
      name: string,
      topicId: ignorable(since(7, uuid)),
      errorCode: int16,
      errorMessage: ignorable(since(1, nullable(string))),
      topicConfigErrorCode: ignorable(tagged(0, 5, int16)),
      numPartitions: ignorable(since(5, int32, -1)),
      replicationFactor: ignorable(since(5, int16, -1)),
      configs: ignorable(since(5, nullable(array(CreatedTopicConfig), 5))),
    }),
  ),
})

/** DeleteTopics · v6 also takes topic ids (KIP-516). */
export const DeleteTopicsRequest = struct({
  topics: since(6, array(struct({ name: withDefault(nullable(string), null), topicId: uuid }))),
  topicNames: ignorable(until(5, array(string))),
  timeoutMs: int32,
})

export const DeleteTopicsResponse = struct({
  throttleTimeMs: ignorable(since(1, int32)),
  responses: array(
    struct({
      name: nullable(string, 6),
      topicId: ignorable(since(6, uuid)),
      errorCode: int16,
      errorMessage: ignorable(since(5, nullable(string, 5), null)),
    }),
  ),
})

/** CreatePartitions · KIP-195. */
export const CreatePartitionsRequest = struct({
  topics: array(
    struct({
      name: string,
      count: int32,
      assignments: nullable(array(struct({ brokerIds: array(int32) }))),
    }),
  ),
  timeoutMs: int32,
  validateOnly: bool,
})

export const CreatePartitionsResponse = struct({
  throttleTimeMs: int32,
  results: array(
    struct({
      name: string,
      errorCode: int16,
      errorMessage: withDefault(nullable(string), null),
    }),
  ),
})
