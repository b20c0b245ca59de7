import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { ProfileSchema } from '../../gen/asked/v1/asked_pb.ts'
import { asked, Clicks, people, Profiles, web } from './asked.ts'
import type { Asked } from './asked.ts'

const board = service('board', {
  reads: [Profiles, Clicks],
  writes: [],
  topology: (s) => ({
    profiles: s.table(Profiles),
    perPage: s.stream(Clicks).count('per-page'),
    perHour: s
      .stream(Clicks)
      .window(tumbling('1h', { grace: '1d' }))
      .count('per-hour'),
  }),
})

const profiles = [
  create(ProfileSchema, { id: 'plain' }),
  create(ProfileSchema, {
    id: 'full',
    born: { seconds: 5n },
    shift: { seconds: -3n, nanos: -500_000_000 },
    free: { kind: { case: 'stringValue', value: 'x' } },
    settings: { dark: true },
    mask: { paths: ['a_b'] },
    nick: 'n',
    mood: 1,
    age: 0,
    contact: { case: 'badge', value: 9n },
    visits: { 1: { seconds: 1n } },
    friends: [{ id: 'friend' }],
    photo: new Uint8Array(3),
  }),
  create(ProfileSchema, {
    id: 'odd',
    extra: { typeUrl: 'type.googleapis.com/acme.Unknown', value: new Uint8Array(3) },
    born: { seconds: 253_402_300_800n },
    shift: { seconds: 400_000_000_000n },
    mask: { paths: ['a_1'] },
    settings: { speed: NaN },
    free: { kind: { case: undefined } },
    score: Infinity,
  }),
]

// oxlint-disable-next-line no-explicit-any -- the document is looked at as a reader of JSON does
type Json = any

describe('the OpenAPI document of a service', () => {
  let services: Asked
  let origin = ''
  let document: Json
  before(async () => {
    services = await asked()
    const rows = await services.start(people(profiles))
    const clicks = await services.start(web([{ page: 'home' }]))
    const asking = await services.start(board)
    for (const { app } of [rows, clicks, asking]) await app.caughtUp()
    origin = asking.origin
    document = await get('/openapi.json')
  })
  after(() => services[Symbol.asyncDispose]())

  async function get(path: string): Promise<Json> {
    const response = await fetch(origin + path)
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
    return response.json()
  }

  it('is one, as the schema of OpenAPI 3.1 says', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    assert.ok(valid, JSON.stringify(errors))
    assert.deepEqual(Object.keys(document.paths), [
      '/v1/board/profiles',
      '/v1/board/profiles/{key}',
      '/v1/board/profiles/changes',
      '/v1/board/perPage',
      '/v1/board/perPage/{key}',
      '/v1/board/perPage/changes',
      '/v1/board/perHour',
      '/v1/board/perHour/{key}',
      '/v1/board/perHour/changes',
    ])
  })

  it('describes each answer that is given, and each refusal', async () => {
    for (const [template, path, status] of [
      ['/v1/board/profiles', '/v1/board/profiles', 200],
      ['/v1/board/profiles', '/v1/board/profiles?key=odd', 200],
      ['/v1/board/profiles/{key}', '/v1/board/profiles/plain', 200],
      ['/v1/board/profiles/{key}', '/v1/board/profiles/full', 200],
      ['/v1/board/profiles/{key}', '/v1/board/profiles/odd', 200],
      ['/v1/board/profiles/{key}', '/v1/board/profiles/nobody', 404],
      ['/v1/board/profiles', '/v1/board/profiles?limit=0', 400],
      ['/v1/board/perPage', '/v1/board/perPage', 200],
      ['/v1/board/perHour', '/v1/board/perHour', 200],
      ['/v1/board/perHour/{key}', '/v1/board/perHour/home?from=0&to=1', 200],
      ['/v1/board/perHour/{key}', '/v1/board/perHour/home?window=noon', 400],
    ] as const) {
      const answer = await get(path)
      const said = document.paths[template].get.responses[status]
      assertValid(said.content['application/json'].schema, answer, path)
    }
  })

  it('tells one message from another', () => {
    const profile = document.components.schemas['asked.v1.Profile']
    assert.throws(() => assertValid(profile, { id: 'x' }, 'fields that are always there'))
    const all = {
      id: 'x',
      mood: 'MOOD_GOOD',
      score: 0,
      big: '0',
      visits: {},
      friends: [],
      photo: '',
    }
    assertValid(profile, all, 'all of them')
    for (const wrong of [
      { big: 0 },
      { mood: 'MOOD_BAD' },
      { score: 'much' },
      { visits: { 1: 2 } },
    ]) {
      assert.throws(() => assertValid(profile, { ...all, ...wrong }, JSON.stringify(wrong)))
    }
  })

  function assertValid(schema: Json, value: Json, what: string): void {
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    const { components } = document
    const isValid = ajv.compile({ ...schema, components })
    assert.ok(isValid(value), `${what}: ${JSON.stringify(isValid.errors)} ${JSON.stringify(value)}`)
  }
})
