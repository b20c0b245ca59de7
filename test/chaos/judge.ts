/** What the streams hold in the end, against plain loops over what was written. */
import type { Cluster } from '../../src/client/index.ts'
import { Copies, Counts, Entries, Moved, Readings, Sums } from './counting.ts'
import { readAll } from './reading-back.ts'
import type { ReadRecord } from './reading-back.ts'
import type { Reading } from './readings.ts'
import { countsOf, sumsOf } from './readings.ts'

export interface Verdict {
  /** Ids that an output lacks, and records of ids beyond the first, over all outputs. */
  readonly lost: number
  readonly doubled: number
  readonly wrongCounts: number
  readonly wrongSums: number
  /** A sentence each, the first few of every kind. */
  readonly wrong: readonly string[]
}

const sentencesMax = 5

/** Reads all streams and compares. */
export async function judge(
  cluster: Cluster,
  written: { readonly readings: readonly Reading[]; readonly entries: readonly Reading[] },
): Promise<Verdict> {
  const readings = written.readings.map(({ id }) => id)
  const entries = written.entries.map(({ id }) => id)
  const ids = [
    // The judge's own hand: what it wrote is there once.
    compareIds('readings', readings, await readAll(cluster, Readings)),
    compareIds('copies', readings, await readAll(cluster, Copies)),
    compareIds('moved', readings, await readAll(cluster, Moved)),
    compareIds('entries', entries, await readAll(cluster, Entries)),
  ]
  const counts = new Map<string, Row>()
  for (const { key, value, where } of await readAll(cluster, Counts)) {
    counts.set(key, { text: `${value.readings} readings`, where })
  }
  const sums = new Map<string, Row>()
  for (const { key, value, where } of await readAll(cluster, Sums)) {
    sums.set(key, { text: `${value.readings} readings of ${value.amount} in all`, where })
  }
  const wrongCounts = compareRows('counts', countsOf(written.readings), counts)
  const wrongSums = compareRows('sums', sumsOf(written.readings), sums)
  return {
    lost: ids.reduce((sum, { lost }) => sum + lost.length, 0),
    doubled: ids.reduce((sum, { doubled }) => sum + doubled.length, 0),
    wrongCounts: wrongCounts.length,
    wrongSums: wrongSums.length,
    wrong: [...ids.flatMap(({ lost, doubled }) => [lost, doubled]), wrongCounts, wrongSums].flatMap(
      shorten,
    ),
  }
}

function compareIds(
  stream: string,
  expected: readonly string[],
  found: readonly ReadRecord<{ readonly id: string }>[],
): { readonly lost: readonly string[]; readonly doubled: readonly string[] } {
  const places = Map.groupBy(found, ({ value }) => value.id)
  const lost = expected.filter((id) => !places.has(id)).map((id) => `${stream}: ${id} is lost`)
  const known = new Set(expected)
  const doubled = [...places].flatMap(([id, records]) => {
    const times = known.has(id) ? 1 : 0
    const at = records.map(({ where }) => where).join(', ')
    return records
      .slice(times)
      .map(() => `${stream}: ${id} is there ${records.length} times: ${at}`)
  })
  return { lost, doubled }
}

interface Row {
  readonly text: string
  readonly where: string
}

function compareRows(
  stream: string,
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, Row>,
): string[] {
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((key) => found.get(key)?.text !== expected.get(key))
    .map((key) => {
      const row = found.get(key)
      const is = row === undefined ? 'is missing' : `is '${row.text}' (${row.where})`
      return `${stream}: ${key} ${is}, by plain loops '${expected.get(key) ?? 'nothing'}'`
    })
}

function shorten(sentences: readonly string[]): string[] {
  if (sentences.length <= sentencesMax) return [...sentences]
  const rest = sentences.length - sentencesMax
  return [...sentences.slice(0, sentencesMax), `${rest} more of these`]
}
