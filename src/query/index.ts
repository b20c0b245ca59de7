/** The door to queries: asking a service's tables over HTTP, and answering. */
export type { EventPlace } from '../streams/views/freshness.ts'
export type {
  Coverage,
  Page,
  PageOptions,
  ChangesOptions,
  ReadOptions,
  RemoteChange,
  RemoteViews,
  ScanOptions,
  TableView,
  ViewChange,
  Views,
  WindowEntry,
  WindowView,
  WithRemoteChanges,
} from '../streams/views/views.ts'
export { connect } from './client.ts'
export { serveQueries } from './listen.ts'
export type { QueryServer } from './listen.ts'
export { remoteAsker } from './remote-asker.ts'
export type { Decides, QueryService, RunningQueries } from './view.ts'
