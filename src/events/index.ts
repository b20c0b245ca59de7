/** The door to contracts: streams as typed values. It needs no broker and no Node, so a page may import it. */
export { command, entity, keyed, keyspace, unkeyed, unkeyedPartitionsDefault } from './event.ts'
export type {
  AnyCommand,
  AnyEvent,
  AnyKeyspace,
  CommandType,
  EventInit,
  EventType,
  InitOf,
  KeyOf,
  Keyspace,
  ReasonOf,
  ValueOf,
} from './event.ts'
