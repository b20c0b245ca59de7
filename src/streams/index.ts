/** The door to topologies: what they are written with, the graph they become, and running it. */
export { buildTopology } from './topology/build.ts'
export type { Builder, Queries, Stream, Table, WindowTable, Windowed } from './topology/builder.ts'
export type { TopologyScope } from './topology/graph.ts'
export { run } from './runtime/run.ts'
export { kafka } from '../client/security/kafka.ts'
export type { BrokerAddress, KafkaOptions, SaslOptions } from '../client/security/kafka.ts'
export type { RunOptions, Runnable, Running } from './runtime/run.ts'
export type {
  Guarantee,
  RunTopologyOptions,
  RunningTopology,
  ServiceStats,
} from './runtime/running.ts'
export type { ServiceEvent, ServiceState } from './runtime/service-event.ts'
export { runTopology } from './runtime/run-topology.ts'
export type * from './topology/topology.ts'
export type { ViewReader, ViewRow } from './views/view-reader.ts'
export type * from './views/views.ts'
export { tumbling } from './topology/windows.ts'
