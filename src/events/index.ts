/** The door to contracts: streams as typed values. It needs no broker and no Node, so a page may import it. */
export { entity, keyed, keyspace, unkeyed, unkeyedPartitionsDefault } from './event.ts'
export type {
  AnyEvent,
  AnyKeyspace,
  EventInit,
  EventType,
  InitOf,
  KeyOf,
  Keyspace,
  ValueOf,
} from './event.ts'
