/** Outcomes as they are remembered, beside a plain list of them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { utf8String } from '../../../src/base/bytes.ts'
import type { Writer } from '../../../src/base/bytes.ts'
import type { Emit } from '../../../src/streams/stores/emit.ts'
import { OutcomeStore } from '../../../src/streams/stores/outcome-store.ts'
import { KeyCodec } from '../../../src/streams/stores/serde.ts'

const rememberMs = 100

interface Logged {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly time: number
}

/** Texts, each kept as its bytes. */
const texts = {
  encode: (value: unknown, writer: Writer) => writer.string(value as string),
  decode: (bytes: Uint8Array, start: number, end: number) => utf8String(bytes.subarray(start, end)),
}

/** A store with the changelog that it writes to, in one partition. */
class Stored {
  forgotten = 0
  readonly log: Logged[] = []
  readonly #bytesMax: number
  store: OutcomeStore

  constructor(bytesMax = Infinity) {
    this.#bytesMax = bytesMax
    this.store = this.#open()
  }

  #open(): OutcomeStore {
    return new OutcomeStore({
      store: 's',
      topic: 't',
      keys: new KeyCodec('string'),
      values: texts,
      remember: { ms: rememberMs, bytesMax: this.#bytesMax },
      onForgotten: () => this.forgotten++,
    })
  }

  get(key: string, id: string): unknown {
    return this.store.get(this.store.rowKey(key, id))
  }

  add(key: string, id: string, value: string): void {
    this.store.add(this.store.rowKey(key, id), value)
  }

  write(limit = 7): void {
    const emit: Emit = {
      append: (_topic, _partition, time, key, value) => {
        this.log.push({ key: key!.slice(), value: value && value.slice(), time })
      },
    }
    while (this.store.write(emit, 0, limit) === limit);
    this.store.committed()
  }

  /** Rebuilds it of its changelog, as it is or with the last record of each key alone. */
  reopen(isCompacted: boolean): void {
    this.write()
    this.store = this.#open()
    const last = new Map(this.log.map((each) => [each.key.join(), each]))
    for (const each of this.log) {
      if (isCompacted && last.get(each.key.join()) !== each) continue
      const { key, value, time } = each
      const bytes = new Uint8Array([...key, ...(value ?? [])])
      this.store.restore({
        bytes,
        keyStart: 0,
        keyEnd: key.length,
        valueStart: key.length,
        valueEnd: value === null ? -1 : bytes.length,
        timestamp: time,
      })
    }
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ key: fc.nat(2), id: fc.nat(9), size: fc.constantFrom(3, 30_000) }),
  },
  { weight: 3, arbitrary: fc.record({ ms: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.constant('write' as const) },
  { weight: 1, arbitrary: fc.constantFrom('reopen' as const, 'compact' as const) },
)

describe('outcomes that are remembered', () => {
  it('are those of a plain list, whatever is written, forgotten and rebuilt between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const stored = new Stored()
        const list = new Map<string, { value: string; time: number }>()
        let now = 0
        for (const [n, each] of steps.entries()) {
          if (each === 'write') stored.write(1 + (n % 3))
          else if (each === 'reopen' || each === 'compact') stored.reopen(each === 'compact')
          else if ('ms' in each) stored.store.moveTo((now += each.ms))
          else {
            const [key, id] = [`k${each.key}`, `i${each.id}`]
            const known = list.get(`${key} ${id}`)
            const isKnown = known !== undefined && known.time + rememberMs > now
            assert.equal(stored.get(key, id), isKnown ? known.value : undefined)
            if (isKnown) continue
            const value = `${n}`.padEnd(each.size, '.')
            stored.add(key, id, value)
            list.set(`${key} ${id}`, { value, time: now })
          }
          // A store that is rebuilt knows the time of its rows only.
          stored.store.moveTo(now)
        }
        stored.write()
        const kept = [...list.values()].filter(({ time }) => time + rememberMs > now)
        assert.equal(stored.store.size, kept.length)
        assert.equal(stored.forgotten, 0)
      }),
    )
  })

  it('begin again at the time of their last, so that what is added then is not over at once', () => {
    const stored = new Stored()
    stored.store.moveTo(1_000)
    stored.add('key', 'before', 'a')
    stored.reopen(false)
    stored.add('key', 'after', 'b')
    stored.store.moveTo(1_050)
    assert.deepEqual([stored.get('key', 'before'), stored.get('key', 'after')], ['a', 'b'])
  })

  it('take no more memory than they may, and are counted when they go before their time', () => {
    const bytesMax = 100_000
    const stored = new Stored(bytesMax)
    for (let n = 0; n < 1_000; n++) {
      stored.add('key', `id-${n}`, 'x'.repeat(1_000))
      if (n % 10 === 9) stored.write()
      assert.ok(stored.store.bytes <= bytesMax)
    }
    assert.equal(stored.store.size + stored.forgotten, 1_000)
    assert.ok(stored.store.size > 85 && stored.store.size < 100, String(stored.store.size))
    assert.equal(stored.get('key', `id-${stored.forgotten - 1}`), undefined)
    assert.equal(stored.get('key', `id-${stored.forgotten}`), 'x'.repeat(1_000))
    stored.reopen(false)
    assert.equal(stored.store.size, 1_000 - stored.forgotten)
    assert.ok(stored.store.bytes <= bytesMax, 'what was forgotten takes none when it is rebuilt')
  })

  it('are told from what is no row of theirs', () => {
    const stored = new Stored()
    const bytes = new Uint8Array([97, 0, 9])
    const row = { bytes, keyStart: 0, keyEnd: 3, valueStart: 3, valueEnd: 3, timestamp: 0 }
    assert.throws(() => stored.store.restore(row), /a row of 's' has no id in its key/)
  })
})
