/** The main door: what services are written, run and asked with. */
export { HeadwaterError, isHeadwaterError } from './base/errors.ts'
export type { HeadwaterErrorCode } from './base/errors.ts'
export type { Duration } from './base/units.ts'
export { embedded } from './broker/embedded.ts'
export type { EmbeddedBroker, EmbeddedOptions } from './broker/embedded.ts'
export { deadLettersOf } from './events/dead-letters.ts'
export type { DeadLetters } from './events/dead-letters.ts'
export { command, entity, keyed, keyspace, unkeyed } from './events/event.ts'
export type {
  AnyCommand,
  AnyEvent,
  CommandType,
  EventInit,
  EventType,
  InitOf,
  KeyOf,
  Keyspace,
  ReasonOf,
  ValueOf,
} from './events/event.ts'
export { connect } from './query/client.ts'
export { remoteAsker } from './query/remote-asker.ts'
export { service } from './service/service.ts'
export type { Service } from './service/service.ts'
export type {
  Builder,
  Decided,
  DecideContext,
  DecideOptions,
  Queries,
  Stream,
  Table,
  WindowTable,
  Windowed,
} from './streams/topology/builder.ts'
export { kafka } from './client/security/kafka.ts'
export type { BrokerAddress, KafkaOptions, SaslOptions } from './client/security/kafka.ts'
export type { OAuthToken, TokenProvider } from './client/security/sasl.ts'
export type { TlsOptions } from './io/ports.ts'
export { run } from './streams/runtime/run.ts'
export type {
  RunOptions,
  Running,
  RunningService,
  RunningServices,
  RunningStats,
} from './streams/runtime/run.ts'
export { asker } from './streams/runtime/asker.ts'
export type { AskerOptions, Asks, CommandAsker } from './streams/runtime/asker.ts'
export { CommandInDoubt } from './streams/commands/answer.ts'
export type { CommandAccepted, CommandAnswer, CommandRejected } from './streams/commands/answer.ts'
export type { AskStats } from './streams/commands/ask-counts.ts'
export type { AskOptions } from './streams/commands/settings.ts'
export { producer } from './streams/runtime/producer.ts'
export type { EventProducer, ProducerOptions } from './streams/runtime/producer.ts'
export { SendAllError } from './streams/sending/sends.ts'
export type { EventOptions, SendHeaders } from './streams/sending/headers.ts'
export type { Receipt, SendStats, Sends, Transaction } from './streams/sending/sends.ts'
export type { SendOptions } from './streams/sending/settings.ts'
export type { ServiceStats } from './streams/runtime/running.ts'
export type { ServiceEvent, ServiceState } from './streams/runtime/service-event.ts'
export type { CallOptions, RetryOptions } from './streams/topology/call-options.ts'
export type {
  AcceptedDecision,
  CallContext,
  InputBatch,
  OnError,
  Position,
  RejectedDecision,
  TumblingWindow,
  WindowSpan,
} from './streams/topology/topology.ts'
export type { EventPlace } from './streams/views/freshness.ts'
export type {
  Coverage,
  ChangesOptions,
  OwnViews,
  Page,
  PageOptions,
  ReadOptions,
  RemoteChange,
  RemoteViews,
  ScanOptions,
  TableView,
  ViewChange,
  Views,
  WindowEntry,
  WindowView,
  WithChanges,
  WithRemoteChanges,
} from './streams/views/views.ts'
export { tumbling } from './streams/topology/windows.ts'
