import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { connect } from '../../../src/query/client.ts'
import { service } from '../../../src/service/service.ts'
import { runCommand } from '../../airline/command.ts'
import { ClickSchema, ProfileSchema } from '../../gen/asked/v1/asked_pb.ts'
import type { Profile } from '../../gen/asked/v1/asked_pb.ts'
import { asked, Clicks, people, Profiles, web } from './asked.ts'
import type { Asked } from './asked.ts'

const odd: Profile[] = [
  create(ProfileSchema, {
    id: 'any-known',
    extra: anyPack(ClickSchema, create(ClickSchema, { page: 'home' })),
  }),
  create(ProfileSchema, {
    id: 'any-unknown',
    extra: { typeUrl: 'type.googleapis.com/acme.Unknown', value: new Uint8Array([8, 1]) },
  }),
  create(ProfileSchema, { id: 'year-10000', born: { seconds: 253_402_300_800n } }),
  create(ProfileSchema, { id: 'nanos', born: { seconds: 5n, nanos: -1 } }),
  create(ProfileSchema, { id: 'long-shift', shift: { seconds: 400_000_000_000n } }),
  create(ProfileSchema, { id: 'nan', free: { kind: { case: 'numberValue', value: NaN } } }),
  create(ProfileSchema, { id: 'empty', free: { kind: { case: undefined } } }),
  create(ProfileSchema, { id: 'mask', mask: { paths: ['a_1'] } }),
  create(ProfileSchema, { id: 'infinite', score: Infinity, big: -9_223_372_036_854_775_808n }),
  create(ProfileSchema, { id: 'photo', photo: new Uint8Array(200_000).fill(7) }),
  create(ProfileSchema, { id: 'well' }),
]

const state = {
  big: 2n ** 70n,
  numbers: [NaN, -Infinity, -0],
  at: new Date(5),
  bytes: new Uint8Array(600_000).fill(7),
  nothing: undefined,
}

const board = service('board', {
  reads: [Profiles, Clicks],
  writes: [],
  topology: (s) => ({
    profiles: s.table(Profiles),
    states: s.stream(Clicks).reduce(
      'states',
      () => state,
      () => structuredClone(state),
    ),
    buffers: s.stream(Clicks).reduce(
      'buffers',
      () => Buffer.alloc(0),
      () => Buffer.from('abc'),
    ),
  }),
})

describe('values that JSON has trouble with', () => {
  let services: Asked
  let url = ''
  let origin = ''
  before(async () => {
    services = await asked()
    const rows = await services.start(people(odd))
    const clicks = await services.start(web([{ page: 'home' }]))
    const asking = await services.start(board)
    await rows.app.caughtUp()
    await clicks.app.caughtUp()
    await asking.app.caughtUp()
    ;({ url, origin } = asking)
  })
  after(() => services[Symbol.asyncDispose]())

  // oxlint-disable-next-line no-explicit-any -- the shape is what the tests check
  const json = async (path: string): Promise<any> => {
    const response = await fetch(`${url}/${path}`)
    assert.equal(response.status, 200, path)
    return response.json()
  }

  it('are answered one by one and in a list, in a form that is written down', async () => {
    const { entries, more } = await json('profiles')
    assert.deepEqual([entries.length, more], [odd.length, false])
    const rows = entries as { key: string; value: object }[]
    for (const { key, value } of rows) {
      assert.deepEqual(await json(`profiles?key=${key}`), value)
    }
    // oxlint-disable-next-line no-explicit-any -- the same
    const shown: any = Object.fromEntries(rows.map(({ key, value }) => [key, value]))
    assert.equal(shown['any-known'].extra['@type'], 'type.googleapis.com/asked.v1.Click')
    assert.deepEqual(shown['any-unknown'].extra, {
      typeUrl: 'type.googleapis.com/acme.Unknown',
      value: 'CAE=',
    })
    assert.deepEqual(shown['year-10000'].born, { seconds: '253402300800', nanos: 0 })
    assert.deepEqual(shown['nan'].free, { numberValue: 'NaN' })
    assert.equal(shown['infinite'].score, 'Infinity')
    assert.equal(shown['infinite'].big, '-9223372036854775808')
    assert.equal(Buffer.from(shown['photo'].photo, 'base64').length, 200_000)
  })

  it('are answered from plain state, too', async () => {
    const { bytes, ...rest } = await json('states?key=home')
    assert.equal(Buffer.from(bytes, 'base64').length, 600_000)
    assert.deepEqual(rest, {
      big: '1180591620717411303424',
      numbers: ['NaN', '-Infinity', 0],
      at: '1970-01-01T00:00:00.005Z',
    })
    assert.equal(await json('buffers?key=home'), 'YWJj')
    assert.deepEqual((await json('states')).entries[0].value, { ...rest, bytes })
  })

  it('reach the typed client as they are', async () => {
    const { profiles, states, buffers } = connect<typeof board>(url)
    for (const profile of odd) {
      const found = (await profiles.get(profile.id))!
      const bytes = toBinary(ProfileSchema, create(ProfileSchema, found))
      assert.deepEqual(bytes, toBinary(ProfileSchema, profile))
    }
    assert.equal((await Array.fromAsync(profiles.scan())).length, odd.length)
    assert.deepEqual(await states.get('home'), state)
    assert.deepEqual(await buffers.get('home'), new Uint8Array([97, 98, 99]))
  })

  it('are printed by `headwater get` and, with their contract, by `headwater tail`', async () => {
    const got = await runCommand(['get', 'board', 'profiles', 'year-10000', '--url', origin])
    assert.deepEqual([got.code, got.stderr], [0, ''])
    assert.match(got.stdout, /"seconds": "253402300800"/)
    const { host, port } = services.broker.bootstrap[0]
    const contracts = `${import.meta.dirname}/asked.ts`
    const flags = ['--broker', `${host}:${port}`, '--contracts', contracts, '--json']
    const tail = await runCommand(['tail', 'profiles', ...flags])
    const lines = tail.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(lines.length, odd.length)
    assert.deepEqual(
      lines.filter((line) => line.value?.id === undefined),
      [],
    )
  })
})
