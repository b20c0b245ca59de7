/** What the flags of listeners come to, and what is said of them at the start. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { OpenListener } from '../../../src/broker/listeners.ts'
import {
  exposureNote,
  listenerLines,
  listenersOf,
  toldQueryAddress,
  type ListenerFlags,
} from '../../../src/cli/listeners.ts'

const inner = { name: 'INNER', host: '127.0.0.1', port: 9092 }
const outer = { name: 'Outer', host: '0.0.0.0', port: 9094 }
const mapped = { host: 'localhost', port: 19_094 }

describe('the flags of listeners', () => {
  it('come to one on loopback when only a port is given', () => {
    assert.deepEqual(listenersOf({ port: 9092 }), [
      { name: 'PLAINTEXT', host: '127.0.0.1', port: 9092 },
    ])
  })

  it('advertise an address without a name for the only listener', () => {
    assert.deepEqual(listenersOf({ host: '::', port: 1, advertise: [{ host: 'localhost' }] }), [
      { name: 'PLAINTEXT', host: '::', port: 1, advertised: { host: 'localhost' } },
    ])
    assert.deepEqual(listenersOf({ port: 1, listener: [outer], advertise: [mapped] }), [
      { ...outer, advertised: mapped },
    ])
  })

  it('advertise an address with a name for the listener of that name, in letters of either case', () => {
    const advertise = [{ name: 'OUTER', ...mapped }]
    assert.deepEqual(listenersOf({ port: 1, listener: [inner, outer], advertise }), [
      inner,
      { ...outer, advertised: mapped },
    ])
  })

  const wrong: [string, ListenerFlags, RegExp][] = [
    [
      'of a listener that is not there',
      { port: 1, advertise: [{ name: 'OUTER', ...mapped }] },
      /names listener OUTER, and there is only PLAINTEXT: .*add --listener OUTER=HOST:PORT/,
    ],
    [
      'of one of several that it does not name',
      { port: 1, listener: [inner, outer], advertise: [mapped] },
      /does not say for which listener, and there are INNER, OUTER: write NAME=HOST:PORT/,
    ],
    [
      'twice for one listener',
      { port: 1, advertise: [mapped, { name: 'plaintext', ...mapped }] },
      /says twice what clients of PLAINTEXT are told: leave one of the two out/,
    ],
  ]
  for (const [what, flags, message] of wrong) {
    it(`are refused with an advertised address ${what}`, () => {
      assert.throws(() => listenersOf(flags), { code: 'config-invalid', message })
    })
  }
})

describe('a listener in a line', () => {
  it('is where clients connect, and where it listens when that is elsewhere', () => {
    assert.deepEqual(listenerLines([inner]), ['127.0.0.1:9092'])
    assert.deepEqual(listenerLines([{ ...inner, host: '::1' }]), ['[::1]:9092'])
    assert.deepEqual(listenerLines([{ ...outer, advertised: mapped }]), [
      'localhost:19094 (listens on 0.0.0.0:9094)',
    ])
    assert.deepEqual(listenerLines([{ ...outer, host: '::' }]), [
      '[::1]:9094 (listens on [::]:9094)',
    ])
  })

  it('has its name where there are several', () => {
    assert.deepEqual(listenerLines([inner, { ...outer, name: 'OUTER', advertised: mapped }]), [
      'INNER 127.0.0.1:9092',
      'OUTER localhost:19094 (listens on 0.0.0.0:9094)',
    ])
  })
})

describe('the note of what other machines reach', () => {
  const queries = (host: string) => ({ host, port: 8092 })

  it('is not there while only this machine reaches anything', () => {
    const six: OpenListener = { ...inner, host: '::1' }
    assert.equal(exposureNote([inner, six], queries('localhost')), undefined)
    assert.equal(exposureNote([], undefined), undefined)
  })

  it('names each place, that nobody is asked who they are, and how to advertise', () => {
    const note = exposureNote([inner, outer], queries('::'))
    assert.match(note!, /reach Kafka on 0\.0\.0\.0:9094, queries on \[::\]:8092, and nothing asks/)
    assert.match(note!, /only networks that you trust.*--advertise HOST:PORT$/)
    assert.doesNotMatch(note!, /127\.0\.0\.1/)
  })

  it('says nothing of advertising where that is done, or where there are queries alone', () => {
    const advertised = exposureNote([{ ...outer, advertised: mapped }])
    assert.match(advertised!, /reach Kafka on 0\.0\.0\.0:9094.*that you trust$/)
    assert.match(exposureNote([inner], queries('10.0.0.5'))!, /reach queries on 10\.0\.0\.5:8092/)
    assert.doesNotMatch(exposureNote([inner], queries('10.0.0.5'))!, /--advertise/)
  })
})

describe('what other instances are told of queries', () => {
  const told = (host: string, o: Partial<Parameters<typeof toldQueryAddress>[0]> = {}) => {
    return toldQueryAddress({
      listening: { host, port: 8092 },
      advertised: undefined,
      isBrokerLocal: false,
      outerHost: '10.0.0.5',
      ...o,
    })
  }

  it('is where they are answered, as others dial it', () => {
    assert.equal(told('10.1.1.1'), '10.1.1.1:8092')
    assert.equal(told('0.0.0.0'), '10.0.0.5:8092')
    assert.equal(told('::', { outerHost: 'fd00::5' }), '[fd00::5]:8092')
  })

  it('is nothing where only this machine would reach it, and the broker is on another', () => {
    assert.equal(told('127.0.0.1'), undefined)
    assert.equal(told('::1'), undefined)
    assert.equal(told('0.0.0.0', { outerHost: undefined }), undefined)
  })

  it('is a loopback address among instances of one machine', () => {
    assert.equal(told('127.0.0.1', { isBrokerLocal: true }), '127.0.0.1:8092')
    assert.equal(told('::', { isBrokerLocal: true }), '[::1]:8092')
  })

  it('is what is advertised, with the port of queries unless another is said', () => {
    for (const host of ['127.0.0.1', '0.0.0.0', '10.1.1.1']) {
      assert.equal(told(host, { advertised: { host: 'shop-1', port: 80 } }), 'shop-1:80')
      assert.equal(told(host, { advertised: { host: 'fd00::7' } }), '[fd00::7]:8092')
    }
  })
})
