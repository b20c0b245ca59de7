/** The main door: what a service is written with. */
export { entity, keyed, keyspace, unkeyed } from './events/event.ts'
export type { AnyEvent, EventType, InitOf, KeyOf, Keyspace, ValueOf } from './events/event.ts'
export { service } from './service/service.ts'
export type { Service } from './service/service.ts'
export { tumbling } from './streams/windows.ts'
export type { Builder, Stream, Table, WindowTable, Windowed } from './streams/builder.ts'
export type { InputBatch, Position, WindowSpan } from './streams/topology.ts'
export type { TableView, Views, WindowEntry, WindowView } from './streams/views.ts'
