import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Emit } from '../../../src/streams/stores/emit.ts'
import { KeyCodec, jsonCodec } from '../../../src/streams/stores/serde.ts'
import { Changelog } from '../../../src/streams/stores/changelog.ts'
import { AggregateStore } from '../../../src/streams/stores/memory.ts'
import type { WindowLife } from '../../../src/streams/stores/memory.ts'

describe('an aggregate store', () => {
  it('writes a row that changed often once, with its last value, and not again', () => {
    const topic = new RecordedTopic()
    const store = open()
    for (let n = 1; n <= 3; n++) set(store, 'a', 0, n)
    set(store, 'b', 0, 9)
    assert.equal(store.dirtyCount, 2)
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
    assert.equal(store.dirtyCount, 1)
    set(store, 'a', 0, 2)
    assert.deepEqual(written(store, topic), ['c 0 1', 'a 0 2'])
  })

  it('is rebuilt by its changelog, windows and deletions included', () => {
    const topic = new RecordedTopic()
    const store = open(day)
    set(store, 'a', 0, { late: 1n })
    set(store, 'a', 1000, 'second')
    set(store, 'b', -1000, 'before 1970')
    written(store, topic)
    set(store, 'b', -1000, undefined)
    written(store, topic)
    const again = open(day)
    topic.restore(again)
    assert.deepEqual([...again.rows()], [...store.rows()])
    assert.deepEqual(again.getWindow('a', 0), { late: 1n })
    assert.equal(again.getWindow('b', -1000), undefined)
    assert.equal(again.size, 2)
  })

  it('drops windows that are closed and past their retention, from its changelog too', () => {
    const topic = new RecordedTopic()
    const store = open({ sizeMs: 1000, graceMs: 100, retentionMs: 50 })
    set(store, 'a', 0, 1)
    set(store, 'a', 1000, 2)
    written(store, topic)
    store.streamTime = 1149
    store.expire(topic, 0)
    assert.equal(store.size, 2)
    store.streamTime = 1150
    store.expire(topic, 0)
    assert.deepEqual([...store.rows()], [{ key: 'a', start: 1000, value: 2 }])
    const again = open(day)
    topic.restore(again)
    assert.deepEqual([...again.rows()], [...store.rows()])
  })

  it('starts a dropped window empty when it is used again', () => {
    const store = open({ sizeMs: 1000, graceMs: 0, retentionMs: 0 })
    set(store, 'a', 0, 1)
    const topic = new RecordedTopic()
    written(store, topic)
    store.streamTime = 5000
    store.expire(topic, 0)
    assert.equal(store.cell('a', 0).value, undefined)
  })

  it('answers by key without windows, and by key and window with them', () => {
    const plain = open()
    set(plain, 'a', 0, 1)
    assert.deepEqual([plain.get('a'), plain.getWindow('a', 0)], [1, undefined])
    const windowed = open(day)
    set(windowed, 'a', 0, 1)
    assert.deepEqual([windowed.get('a'), windowed.getWindow('a', 0)], [undefined, 1])
  })
})

const day: WindowLife = { sizeMs: 86_400_000, graceMs: 0, retentionMs: Infinity }

function open(life?: WindowLife): AggregateStore {
  const keys = new KeyCodec('string')
  return new AggregateStore(new Changelog('log', keys, jsonCodec, life !== undefined), life)
}

function set(store: AggregateStore, key: string, start: number, value: unknown): void {
  const cell = store.cell(key, start)
  cell.value = value
  cell.timestamp = start
  store.changed(cell)
}

function written(store: AggregateStore, emit: Emit): string[] {
  const rows: string[] = []
  while (store.dirtyCount > 0) {
    store.write(emit, 0, 10, ({ key, start, value }) => rows.push([key, start, value].join(' ')))
  }
  return rows
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
