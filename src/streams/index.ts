/** The door to topologies: what they are written with, the graph they become, and running it. */
export { buildTopology } from './build.ts'
export type { Builder, Queries, Stream, Table, WindowTable, Windowed } from './builder.ts'
export type { TopologyScope } from './graph.ts'
export { kafka, run } from './run.ts'
export type { RunOptions, Runnable, Running } from './run.ts'
export type {
  BrokerAddress,
  RunTopologyOptions,
  RunningTopology,
  ServiceState,
  ServiceStats,
} from './running.ts'
export { runTopology } from './runtime.ts'
export type * from './topology.ts'
export type { ViewReader, ViewRow } from './view-reader.ts'
export type * from './views.ts'
export { tumbling } from './windows.ts'
