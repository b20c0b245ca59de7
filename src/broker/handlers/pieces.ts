/**
 * A long list in pieces: each is asked of a machine by itself, as if several requests had come, so that the
 * machine decides, stores and applies no more at once than fits into a turn.
 *
 * What is answered for each partition may be decided for each. A machine may decide about something else
 * between two pieces; then the later ones are answered as things are by then, as Kafka does when a second
 * request takes the place of the second half of a first.
 */
import type { Steps } from '../../base/steps.ts'
import type { Turns } from '../turns.ts'

export interface Piece<T> {
  /** With a part of its partitions where a topic has more than fit. */
  readonly topics: readonly T[]
  /** Whether the first of the topics goes on from the piece before. */
  readonly continues: boolean
  /** Whether the last of the topics goes on in the next piece. */
  readonly goesOn: boolean
  /** Topics and partitions. */
  readonly items: number
}

/** Topics whose partitions are in `list`, in pieces of about `itemsMax` items; one piece if there are none. */
export function* piecesOf<K extends string, T extends { readonly [P in K]: readonly unknown[] }>(
  topics: readonly T[],
  list: K,
  itemsMax: number,
): Iterable<Piece<T>> {
  const whole = itemsUpTo(topics, list, itemsMax)
  if (whole <= itemsMax) return yield { topics, continues: false, goesOn: false, items: whole }
  let piece: T[] = []
  let items = 0
  let continues = false
  for (const topic of topics) {
    const { length } = topic[list]
    let from = 0
    do {
      if (items >= itemsMax) {
        const goesOn = from > 0
        yield { topics: piece, continues, goesOn, items }
        piece = []
        items = 0
        continues = goesOn
      }
      const to = Math.min(length, from + itemsMax - items)
      const isWhole = from === 0 && to === length
      piece.push(isWhole ? topic : { ...topic, [list]: topic[list].slice(from, to) })
      items += 1 + to - from
      from = to
    } while (from < length)
  }
  yield { topics: piece, continues, goesOn: false, items }
}

/** Whether a list is one piece, and so short that it is not counted. */
export function areFew<K extends string, T extends { readonly [P in K]: readonly unknown[] }>(
  topics: readonly T[],
  list: K,
  turns: Turns,
): boolean {
  return turns.isShort(itemsUpTo(topics, list, turns.itemsMax))
}

/** How many items there are; no more are counted than are too many. */
function itemsUpTo<K extends string, T extends { readonly [P in K]: readonly unknown[] }>(
  topics: readonly T[],
  list: K,
  itemsMax: number,
): number {
  let items = 0
  for (const topic of topics) {
    items += 1 + topic[list].length
    if (items > itemsMax) break
  }
  return items
}

/** Puts the answers to a piece behind those to the pieces before it. */
export function join<
  K extends string,
  T extends { readonly [P in K]?: readonly unknown[] | undefined },
>(
  all: T[],
  answers: readonly T[],
  list: K,
  { continues, goesOn }: Pick<Piece<unknown>, 'continues' | 'goesOn'>,
): void {
  let at = 0
  for (const answer of answers) {
    const isFirst = at++ === 0
    const isOpen = goesOn && at === answers.length
    if (isFirst && continues) {
      // A list of our own, made when the topic came first.
      const open = all.at(-1)![list] as unknown[]
      for (const item of answer[list] ?? []) open.push(item)
    } else if (isOpen) all.push({ ...answer, [list]: [...(answer[list] ?? [])] })
    else all.push(answer)
  }
}

/** What is in `items`, each once: what is named twice is answered once. */
export function* different<T>(items: readonly T[]): Steps<ReadonlySet<T>> {
  const found = new Set<T>()
  for (const item of items) {
    found.add(item)
    yield 1 / 2
  }
  return found
}

/** `items` in lists of at most `itemsMax`; one list if there are none. */
export function* slicesOf<T>(items: readonly T[], itemsMax: number): Iterable<readonly T[]> {
  let at = 0
  do {
    yield items.length <= itemsMax ? items : items.slice(at, at + itemsMax)
    at += itemsMax
  } while (at < items.length)
}
