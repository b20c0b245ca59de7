import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Writer } from '../../../src/base/bytes.ts'
import type { Emit } from '../../../src/streams/stores/emit.ts'
import { AggregateStore } from '../../../src/streams/stores/aggregate-store.ts'
import type { WindowLife } from '../../../src/streams/stores/aggregate-store.ts'
import { Changelog } from '../../../src/streams/stores/changelog.ts'
import { plainCodec } from '../../../src/streams/stores/plain.ts'
import { KeyCodec } from '../../../src/streams/stores/serde.ts'
import type { ReadableStore } from '../../../src/streams/stores/store.ts'
import { TableStore } from '../../../src/streams/stores/table-store.ts'
import { Orders } from '../../types/shop.ts'

describe('an aggregate store', () => {
  it('writes a row that changed often once, with its last value, and not again', () => {
    const topic = new RecordedTopic()
    const store = open()
    for (let n = 1; n <= 3; n++) set(store, 'a', 0, n)
    set(store, 'b', 0, 9)
    assert.equal(store.waiting, 2)
    assert.deepEqual(written(store, topic), ['a 0 3', 'b 0 9'])
    assert.deepEqual(written(store, topic), [])
  })

  it('writes a few rows at a time when told to', () => {
    const topic = new RecordedTopic()
    const store = open()
    for (const key of ['a', 'b', 'c']) set(store, key, 0, 1)
    assert.equal(
      store.write(topic, 0, 2, () => undefined),
      2,
    )
    assert.equal(store.waiting, 1)
    set(store, 'a', 0, 2)
    assert.deepEqual(written(store, topic), ['c 0 1', 'a 0 2'])
  })

  it('is rebuilt by its changelog, windows and deletions included', () => {
    const topic = new RecordedTopic()
    const store = open(day)
    set(store, 'a', 0, { late: 1 })
    set(store, 'a', 1000, 'second')
    set(store, 'b', -1000, 'before 1970')
    commit(store, topic)
    set(store, 'b', -1000, undefined)
    commit(store, topic)
    const again = open(day)
    topic.restore(again)
    assert.deepEqual(rowsOf(again), rowsOf(store))
    assert.deepEqual(again.getWindow('a', 0), { late: 1 })
    assert.equal(again.getWindow('b', -1000), undefined)
    assert.equal(again.size, 2)
  })

  it('takes no row from its changelog whose key is none', () => {
    const restore = (store: AggregateStore, ...bytes: number[]): void => {
      const keyEnd = bytes.length
      const value = plain(1)
      const row = { keyStart: 0, keyEnd, valueStart: keyEnd, valueEnd: keyEnd + value.length }
      store.restore({ bytes: Uint8Array.of(...bytes, ...value), ...row, timestamp: 1 })
    }
    assert.throws(() => restore(open(), 0xff), { code: 'record-invalid', message: /UTF-8/ })
    assert.throws(() => restore(open(day), 97), { code: 'record-invalid', message: /no window/ })
    const store = open()
    restore(store, 0xc3, 0xa9)
    assert.equal(store.get('é'), 1)
  })

  it('drops windows that are closed and past their retention, from its changelog too', () => {
    const topic = new RecordedTopic()
    const store = open({ sizeMs: 1000, graceMs: 100, retentionMs: 50 })
    set(store, 'a', 0, 1)
    set(store, 'a', 1000, 2)
    commit(store, topic)
    store.expire(topic, 0, 1149)
    store.committed()
    assert.equal(store.size, 2)
    store.expire(topic, 0, 1150)
    assert.equal(store.getWindow('a', 0), 1, 'until it is committed')
    store.committed()
    assert.deepEqual(rowsOf(store), ['a 1000 2'])
    const again = open(day)
    topic.restore(again)
    assert.deepEqual(rowsOf(again), rowsOf(store))
  })

  it('starts a dropped window empty when it is used again', () => {
    const store = open({ sizeMs: 1000, graceMs: 0, retentionMs: 0 })
    set(store, 'a', 0, 1)
    const topic = new RecordedTopic()
    commit(store, topic)
    store.expire(topic, 0, 5000)
    store.committed()
    assert.equal(store.valueOf(store.touch('a', 0)), undefined)
  })

  it('answers by key without windows, and by key and window with them', () => {
    const topic = new RecordedTopic()
    const plain = open()
    set(plain, 'a', 0, 1)
    commit(plain, topic)
    assert.deepEqual([plain.get('a'), plain.getWindow('a', 0)], [1, undefined])
    const windowed = open(day)
    set(windowed, 'a', 0, 1)
    commit(windowed, topic)
    assert.deepEqual([windowed.get('a'), windowed.getWindow('a', 0)], [undefined, 1])
  })

  it('answers what is committed, whatever has changed since', () => {
    const topic = new RecordedTopic()
    const store = open()
    const show = () => [store.get('a'), store.get('b'), store.size, rowsOf(store).toSorted()]
    set(store, 'a', 0, 1)
    assert.deepEqual(show(), [undefined, undefined, 0, []])
    assert.equal(store.live('a'), 1)
    commit(store, topic)
    assert.deepEqual(show(), [1, undefined, 1, ['a  1']])
    set(store, 'a', 0, undefined)
    set(store, 'b', 0, 2)
    written(store, topic)
    assert.deepEqual(show(), [1, undefined, 1, ['a  1']], 'written is not committed')
    assert.deepEqual([store.live('a'), store.live('b')], [undefined, 2])
    store.committed()
    assert.deepEqual(show(), [undefined, 2, 1, ['b  2']])
  })

  it('answers what was committed of state that is changed in place, and copies', () => {
    const topic = new RecordedTopic()
    const store = open()
    set(store, 'a', 0, { sum: 1 })
    commit(store, topic)
    const state = store.valueOf(store.touch('a', 0)) as { sum: number }
    state.sum = 2
    store.set(store.touch('a', 0), state, 0)
    assert.deepEqual([store.get('a'), store.live('a')], [{ sum: 1 }, { sum: 2 }])
    commit(store, topic)
    const answer = store.get('a') as { sum: number }
    answer.sum = 99
    ;(store.live('a') as { sum: number }).sum = 99
    assert.deepEqual([store.get('a'), store.live('a')], [{ sum: 2 }, { sum: 2 }])
  })

  it('says of a deleted row what it was written with last', () => {
    const topic = new RecordedTopic()
    const store = open()
    const last: unknown[] = []
    const flush = () => store.write(topic, 0, 10, (row) => last.push(row.last))
    set(store, 'a', 0, { n: 1 })
    flush()
    store.committed()
    const state = store.valueOf(store.touch('a', 0)) as { n: number }
    state.n = 2
    store.set(store.touch('a', 0), state, 0)
    flush()
    set(store, 'a', 0, undefined)
    flush()
    set(store, 'never', 0, undefined)
    flush()
    assert.deepEqual(last, [undefined, undefined, { n: 2 }, undefined])
  })

  it('uses the places of deleted rows again, without their times', () => {
    const topic = new RecordedTopic()
    const store = open()
    set(store, 'a', 50, undefined)
    store.set(store.touch('a', 0), 1, 50)
    commit(store, topic)
    set(store, 'a', 0, undefined)
    commit(store, topic)
    store.set(store.touch('b', 0), 2, 7)
    const times: number[] = []
    store.write(topic, 0, 10, ({ timestamp }) => times.push(timestamp))
    assert.deepEqual(times, [7])
  })

  it('refuses state that cannot be stored, with the store, the key and the place in it', () => {
    const store = open(day)
    set(store, 'a', 0, { items: [1, { when: new Map() }] })
    assert.throws(() => written(store, new RecordedTopic()), {
      code: 'operator-failed',
      message:
        /^state of 'n' for key 'a' in the window from 1970-01-01T00:00:00.000Z: \.items\[1\]\.when is a Map/,
      causeCode: 'record-invalid',
    })
  })

  it('refuses a changelog of another version, which held JSON', () => {
    const bytes = new TextEncoder().encode('a{"n":1}')
    const record = {
      bytes,
      keyStart: 0,
      keyEnd: 1,
      valueStart: 1,
      valueEnd: bytes.length,
      timestamp: 0,
    }
    assert.throws(() => open().restore(record), {
      code: 'record-invalid',
      message:
        /not plain data of format plain\/1 \(it begins with byte 123; JSON and other versions/,
    })
  })
})

describe('a table store', () => {
  const order = (address: string) => ({ orderId: 'o', address }) as unknown

  it('answers what is committed, whatever has changed since', () => {
    const store = new TableStore(new KeyCodec('string'), Orders.codec)
    const address = (key: string) => (store.get(key) as { address: string } | undefined)?.address
    const show = () => [
      address('a'),
      address('b'),
      store.size,
      [...store.keys()].map(({ key }) => key),
    ]
    store.put('a', order('first'))
    assert.deepEqual(show(), [undefined, undefined, 0, []])
    store.committed()
    assert.deepEqual(show(), ['first', undefined, 1, ['a']])
    store.put('a', null)
    store.put('b', order('second'))
    assert.deepEqual(show(), ['first', undefined, 1, ['a']])
    assert.deepEqual([store.live('a'), store.live('b')], [undefined, order('second')])
    store.committed()
    assert.deepEqual(show(), [undefined, 'second', 1, ['b']])
  })

  it('cannot be changed by who reads it', () => {
    const store = new TableStore(new KeyCodec('string'), Orders.codec)
    store.put('a', order('first'))
    store.committed()
    ;(store.get('a') as { address: string }).address = 'mine'
    assert.equal((store.get('a') as { address: string }).address, 'first')
    assert.throws(() => ((store.live('a') as { address: string }).address = 'mine'), TypeError)
  })
})

const day: WindowLife = { sizeMs: 86_400_000, graceMs: 0, retentionMs: Infinity }

function open(life?: WindowLife): AggregateStore {
  const keys = new KeyCodec('string')
  const windowed = life !== undefined
  return new AggregateStore(
    new Changelog({ store: 'n', topic: 'log', keys, values: plainCodec, windowed }),
    life,
  )
}

function set(store: AggregateStore, key: string, start: number, value: unknown): void {
  store.set(store.touch(key, start), value, start)
}

function written(store: AggregateStore, emit: Emit): string[] {
  const rows: string[] = []
  while (store.waiting > 0) {
    store.write(emit, 0, 10, ({ key, start, value }) => rows.push([key, start, value].join(' ')))
  }
  return rows
}

function commit(store: AggregateStore, emit: Emit): void {
  written(store, emit)
  store.committed()
}

function rowsOf(store: ReadableStore): string[] {
  return Array.from(store.keys(), ({ key, start }) => {
    const value = start === undefined ? store.get(key) : store.getWindow(key, start)
    return `${key} ${start ?? ''} ${JSON.stringify(value)}`
  })
}

class RecordedTopic implements Emit {
  readonly #records: { timestamp: number; key: Uint8Array; value: Uint8Array | null }[] = []

  append(
    _topic: string,
    _partition: number,
    timestamp: number,
    key: Uint8Array,
    value: Uint8Array | null,
  ): void {
    this.#records.push({ timestamp, key: key.slice(), value: value?.slice() ?? null })
  }

  restore(store: AggregateStore): void {
    for (const { timestamp, key, value } of this.#records) {
      const bytes = new Uint8Array([...key, ...(value ?? [])])
      store.restore({
        bytes,
        timestamp,
        keyStart: 0,
        keyEnd: key.length,
        valueStart: key.length,
        valueEnd: value === null ? -1 : bytes.length,
      })
    }
  }
}

function plain(value: unknown): Uint8Array {
  const writer = new Writer()
  plainCodec.encode(value, writer)
  return writer.bytes.slice(0, writer.at)
}
