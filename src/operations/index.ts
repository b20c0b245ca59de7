/** The door to operating services and brokers: whether they are ready, and their metrics. */
export { readiness } from './readiness.ts'
export type { ObservedService, Readiness, ReadinessOptions, ServiceReadiness } from './readiness.ts'
export { operations } from './operations.ts'
export type { Operations, OperationsOptions } from './operations.ts'
