/** Addresses are read as they are written, of IPv4, of IPv6 and by name. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  addressText,
  dialable,
  isBlockedByFetch,
  isLoopback,
  isWildcard,
  parseAddress,
  parseHost,
} from '../../../src/base/address.ts'

describe('a port that fetch does not ask', () => {
  it('is one that it refuses', async () => {
    const ports = Array.from({ length: 65_536 }, (_, port) => port).filter(isBlockedByFetch)
    assert.equal(ports.length, 82)
    for (const port of ports) {
      const refused = await fetch(`http://127.0.0.1:${port}/`).catch((error: unknown) => error)
      assert.ok(refused instanceof TypeError && refused.cause instanceof Error, `${port}`)
      assert.equal(refused.cause.message, 'bad port', `${port}`)
    }
    for (const port of [80, 443, 8_080, 8_092, 65_535]) assert.ok(!isBlockedByFetch(port))
  })
})

describe('an address', () => {
  const written: [string, { host: string; port: number }][] = [
    ['localhost:9092', { host: 'localhost', port: 9092 }],
    ['my_broker.example.com:1', { host: 'my_broker.example.com', port: 1 }],
    ['10.0.0.5:0', { host: '10.0.0.5', port: 0 }],
    ['[::1]:9092', { host: '::1', port: 9092 }],
    ['[::]:65535', { host: '::', port: 65_535 }],
    ['[::ffff:10.0.0.5]:9092', { host: '::ffff:10.0.0.5', port: 9092 }],
    ['[fe80::1%eth0]:9092', { host: 'fe80::1%eth0', port: 9092 }],
  ]
  for (const [text, address] of written) {
    it(`is read and written alike: ${text}`, () => {
      assert.deepEqual(parseAddress(text), address)
      assert.equal(addressText(address), text)
    })
  }

  it('may leave the port out', () => {
    assert.deepEqual(parseAddress('kafka'), { host: 'kafka', port: undefined })
    assert.deepEqual(parseAddress('[::1]'), { host: '::1', port: undefined })
  })

  const wrong = [
    '',
    ':9092',
    'kafka:',
    'kafka:65536',
    'kafka:-1',
    'kafka:9092:9092',
    'http://kafka:9092',
    'a b:1',
    'a,b:1',
    '::1',
    '::1:9092',
    '[kafka]:9092',
    '[::1:9092',
    '[]:9092',
    '[1:2]:9092',
    '[cafe:]:9092',
  ]
  for (const text of wrong) {
    it(`is not what stands here: '${text}'`, () => assert.equal(parseAddress(text), undefined))
  }
})

describe('a host alone', () => {
  it('is read with brackets and without', () => {
    for (const text of ['::1', '[::1]']) assert.equal(parseHost(text), '::1')
    assert.equal(parseHost('0.0.0.0'), '0.0.0.0')
    assert.equal(parseHost('broker'), 'broker')
  })

  it('has no port', () => {
    for (const text of ['broker:9092', 'cafe:', '[::1]:9092', '', 'http://broker']) {
      assert.equal(parseHost(text), undefined, text)
    }
  })

  it('is a wildcard in each of its spellings', () => {
    for (const host of ['0.0.0.0', '0', '::', '0:0:0:0:0:0:0:0']) assert.ok(isWildcard(host), host)
    for (const host of ['127.0.0.1', '::1', 'localhost', '10.0.0.0']) assert.ok(!isWildcard(host))
  })

  it('is loopback in each of its spellings', () => {
    const inside = ['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', 'localhost', 'LOCALHOST']
    for (const host of [...inside, '::ffff:127.0.0.1']) assert.ok(isLoopback(host), host)
    const outside = ['0.0.0.0', '::', '10.0.0.5', 'fe80::1%eth0', 'broker', '127.example.com']
    for (const host of outside) assert.ok(!isLoopback(host), host)
  })

  it('is dialled as loopback where it is a wildcard', () => {
    assert.deepEqual(dialable({ host: '0.0.0.0', port: 1 }), { host: '127.0.0.1', port: 1 })
    assert.deepEqual(dialable({ host: '::', port: 1 }), { host: '::1', port: 1 })
    assert.deepEqual(dialable({ host: 'broker', port: 1 }), { host: 'broker', port: 1 })
  })
})
