/** The ledger of test/proto as an event: every shape a field can have. */
import { entity, keyspace } from '../../src/events/event.ts'
import { EntrySchema } from '../gen/ledger/v1/ledger_pb.ts'

const EntryId = keyspace.int64('EntryId', { partitions: 2 })

export const Entries = entity('entries', EntrySchema, {
  key: EntryId,
  by: 'entryId',
  owner: 'books',
})
