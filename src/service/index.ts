/** The door to services: what one is, and the graph of several. */
export { businessTopology } from './graph.ts'
export type { BusinessTopology, ServiceNode, StreamEdge } from './graph.ts'
export { service } from './service.ts'
export type { Service } from './service.ts'
