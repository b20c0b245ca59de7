/**
 * What snippets of the pages leave out: `<!-- preamble: NAME -->` above a fence names the text that is
 * compiled before it. Doors of the package are imported as users do.
 */
export const preambles: Readonly<Record<string, string>> = {
  airline: `
    import { service } from 'headwater'
    import { Airports, Disruptions, Flights } from './examples/airline/contracts.ts'`,
  contract: `
    import { entity, keyspace } from 'headwater'
    import { OrderSchema } from './test/gen/shop/v1/shop_pb.ts'`,
  shop: `
    import { connect, deadLettersOf, embedded, kafka, keyspace, run, service } from 'headwater'
    import type { Service } from 'headwater'
    import { Orders, Payments, Shipments, Visits } from './test/types/shop.ts'
    declare const billing: Service<'billing', {}>
    declare function accessLog(
      file: string,
      from: number,
    ): AsyncIterable<{ path: string; next: number }>`,
  clusters: `
    import { readFile } from 'node:fs/promises'
    import { kafka, run } from 'headwater'
    import type { Service } from 'headwater'
    declare const shipping: Service<'shipping', {}>
    declare const billing: Service<'billing', {}>
    declare const vault: { read(name: string): Promise<string> }
    declare const secret: string
    declare const tokenUrl: string
    interface Granted {
      readonly access_token: string
      readonly expires_in: number
    }`,
  checkout: `
    import { kafka, producer, run, service } from 'headwater'
    import { Orders } from './test/types/shop.ts'
    const broker = kafka('127.0.0.1:9092')`,
  operations: `
    import { embedded, kafka, run } from 'headwater'
    import type { Service, ServiceEvent } from 'headwater'
    import { operations, readiness } from 'headwater/operations'
    import { pino } from 'pino'
    declare const shipping: Service<'shipping', {}>
    declare const billing: Service<'billing', {}>`,
  effects: `
    import { service } from 'headwater'
    import { OrderId, Orders, Payments } from './test/types/shop.ts'
    interface Charge {
      readonly id: string
      readonly status: string
      readonly at: number
    }
    declare const bank: {
      charge(id: string, amount: number, key: string, signal: AbortSignal): Promise<Charge>
    }
    declare const mail: { send(to: string, text: string): Promise<void> }`,
  postgres: `
    import { kafka } from 'headwater'
    import { Orders, Payments } from './test/types/shop.ts'`,
  'ordering-contract': `
    import { command } from 'headwater'
    import { OrderCommandSchema } from './test/gen/shop/v1/ordering_pb.ts'
    import { OrderId } from './test/types/shop.ts'`,
  ordering: `
    import { CommandInDoubt, kafka, run, service } from 'headwater'
    import { OrderCommands, OrderEvents } from './test/types/ordering.ts'
    const broker = kafka('127.0.0.1:9092')`,
  'ordering-test': `
    import { decider } from 'headwater/testing'
    import { OrderCommands, OrderEvents, ordering as declared } from './test/types/ordering.ts'
    const ordering = declared()`,
  'seats-contract': `
    import { service } from 'headwater'
    import type { Taken } from './examples/seats/cabin.ts'
    import { SeatCommands, SeatEvents } from './examples/seats/contracts.ts'`,
  seats: `
    import { kafka, run } from 'headwater'
    import { Hono } from 'hono'
    import { booking } from './examples/seats/booking.ts'
    import { SeatCommands } from './examples/seats/contracts.ts'
    import { seating } from './examples/seats/seating.ts'
    import type { SeatMap } from './examples/seats/seating.ts'
    const broker = kafka('127.0.0.1:9092')`,
  embedding: `
    import { embedded } from 'headwater'`,
  project: `
    import { timestampNow } from '@bufbuild/protobuf/wkt'
    import { connect, isHeadwaterError, kafka, producer, run } from 'headwater'
    import { serveQueries } from 'headwater/query'
    import { Hono } from 'hono'
    import { Orders } from './templates/app/gen/streams.ts'
    import { shop } from './templates/app/src/shop.ts'
    const broker = kafka('127.0.0.1:9092')`,
  'project-test': `
    import assert from 'node:assert/strict'
    import { mkdtemp, rm } from 'node:fs/promises'
    import { tmpdir } from 'node:os'
    import { join } from 'node:path'
    import { test } from 'node:test'
    import { embedded, run } from 'headwater'
    import { TopologyDriver } from 'headwater/testing'
    import { Orders } from './templates/app/gen/streams.ts'
    import { shop } from './templates/app/src/shop.ts'`,
  'beside-the-board': '',
}

/** Modules that snippets name as their readers' own, and where they are here. */
export const readersModules: Readonly<Record<string, string>> = {
  './board.ts': './examples/airline/board.ts',
}
