/**
 * The sets of operations a client may do, as bit fields (KIP-430). Nothing is forbidden here yet, so each
 * is everything that makes sense for its kind of resource.
 */
const operationBits = {
  read: 1 << 3,
  write: 1 << 4,
  create: 1 << 5,
  remove: 1 << 6,
  alter: 1 << 7,
  describe: 1 << 8,
  clusterAction: 1 << 9,
  describeConfigs: 1 << 10,
  alterConfigs: 1 << 11,
  idempotentWrite: 1 << 12,
} as const

const { read, write, create, remove, alter, describe, clusterAction } = operationBits
const { describeConfigs, alterConfigs, idempotentWrite } = operationBits

export const topicOperations =
  read | write | create | remove | alter | describe | describeConfigs | alterConfigs

export const clusterOperations =
  create | alter | describe | clusterAction | describeConfigs | alterConfigs | idempotentWrite

export const groupOperations = read | remove | describe | describeConfigs | alterConfigs
