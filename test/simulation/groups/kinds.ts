/** Which events befall a group, by the name of the pass. */
import type { GroupKind } from './drama.ts'

export const groupKinds: Record<GroupKindName, GroupKind> = {
  /** Nothing at all: what the others are measured by. */
  'group-calm': { events: ['scale'], count: 1 },
  /** Single requests go wrong. */
  'group-requests': {
    events: ['request', 'request', 'request', 'request', 'ghostStart', 'kill', 'scale'],
    count: 14,
  },
  /** Members are kicked out, leave or die in the middle of something. */
  'group-kicked': { events: ['kick', 'kick', 'leave', 'leave', 'scale'], count: 6 },
  /** Transactions stay open behind members that died. */
  'group-orphans': {
    events: ['orphan', 'orphan', 'kill', 'scale', 'stranger', 'stranger'],
    count: 4,
  },
  /** Members freeze and wake up where they no longer belong. */
  'group-frozen': {
    events: ['freeze', 'alone', 'alone', 'amid', 'doze', 'scale'],
    count: 4,
  },
  /** The wall clock is set and all are suspended, while members come, freeze and die. */
  'group-clocks': {
    events: ['setClock', 'setClock', 'suspend', 'freeze', 'kill', 'orphan', 'scale'],
    count: 6,
  },
  /** Others take the place of members that are frozen. */
  'group-zombies': {
    events: ['zombie', 'zombie', 'zombie', 'kill', 'scale'],
    neverFences: true,
    count: 4,
  },
  /** Functions take their time. */
  'group-slow': {
    events: ['backlog', 'backlog', 'scale', 'request'],
    count: 4,
    slowMs: [40, 150],
  },
  /** Instances lag behind each other, and windows close early. */
  'group-late': {
    events: ['slowNetwork', 'backlog', 'kill', 'freeze', 'scale'],
    count: 5,
    grace: '1s',
  },
  /** Deposits are asked for, and asked again, while those who decide come and go. */
  'group-asked': {
    events: [
      'request',
      'kill',
      'kick',
      'leave',
      'orphan',
      'freeze',
      'zombie',
      'scale',
      'slowNetwork',
    ],
    count: 6,
    asks: true,
  },
  /** All of it, and the broker's disk as well. */
  'group-storm': {
    events: [
      'request',
      'request',
      'kill',
      'scale',
      'kick',
      'leave',
      'orphan',
      'freeze',
      'alone',
      'amid',
      'zombie',
      'slowFunction',
      'ghostStart',
      'slowNetwork',
      'backlog',
      'suspend',
      'setClock',
    ],
    count: 7,
    stormy: true,
  },
}

type GroupKindName =
  | 'group-calm'
  | 'group-requests'
  | 'group-kicked'
  | 'group-orphans'
  | 'group-frozen'
  | 'group-clocks'
  | 'group-zombies'
  | 'group-slow'
  | 'group-late'
  | 'group-asked'
  | 'group-storm'
