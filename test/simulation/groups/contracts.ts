/** Facts about accounts, and what the tally service makes of them. */
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
import { command, entity, keyed, keyspace, unkeyed } from '../../../src/events/event.ts'
import {
  AccountCountSchema,
  CalledSchema,
  CopySchema,
  DepositedSchema,
  DepositSchema,
  FactSchema,
  LabelledSchema,
  LabelSchema,
  SplitTickSchema,
  TeamCountSchema,
  TeamWindowSchema,
  TickSchema,
} from '../../gen/tally/v1/tally_pb.ts'

export const Account = keyspace.string('Account', { partitions: 3 })
export const Team = keyspace.string('Team', { partitions: 2 })
const WindowId = keyspace.string('WindowId', { partitions: 1 })

export const Facts = keyed('facts', FactSchema, { key: Account, by: 'account', owner: 'feed' })
export const Labels = entity('labels', LabelSchema, { key: Account, by: 'account', owner: 'feed' })
export const Copies = keyed('copies', CopySchema, { key: Account, by: 'account', owner: 'tally' })
export const Called = keyed('called', CalledSchema, { key: Account, by: 'account', owner: 'tally' })
export const Labelled = keyed('labelled', LabelledSchema, {
  key: Account,
  by: 'account',
  owner: 'tally',
})
export const AccountCounts = entity('account-counts', AccountCountSchema, {
  key: Account,
  by: 'account',
  owner: 'tally',
})
export const TeamCounts = entity('team-counts', TeamCountSchema, {
  key: Team,
  by: 'team',
  owner: 'tally',
})
export const TeamWindows = entity('team-windows', TeamWindowSchema, {
  key: WindowId,
  by: 'id',
  owner: 'tally',
})
export const Deposits = command('deposits', DepositSchema, {
  key: Account,
  by: 'account',
  owner: 'tally',
  reasons: ['every-third'],
})
export const Deposited = keyed('deposited', DepositedSchema, {
  key: Account,
  by: 'account',
  owner: 'tally',
})
export const Letters = deadLettersOf('tally')
export const Ticks = unkeyed('ticks', TickSchema, { owner: 'tally' })
export const SplitTicks = unkeyed('split-ticks', SplitTickSchema, { owner: 'tally' })
