/** The partitions a sink has claimed: how far each is, and where it ends. */
import type { PartitionOffset, TopicPartition } from '../client/cluster/topic-partition.ts'
import type { Move } from './chunk.ts'
import { placeOf } from './chunk.ts'
import type { OpenedPartitions } from './open.ts'
import type { Positions } from './positions.ts'

/** What tells where partitions end; undefined before the first answer. */
interface KnownEnds {
  highWatermark(topic: string, partition: number): number | undefined
}

export class SinkPlaces {
  positions: Positions = new Map()
  partitions: readonly TopicPartition[] = []
  readonly #offsets = new Map<string, number>()
  readonly #ends = new Map<string, number>()
  #untold = new Set<string>()

  /** Next offsets by `topic/partition`. */
  get offsets(): ReadonlyMap<string, number> {
    return this.#offsets
  }

  get isEmpty(): boolean {
    return this.partitions.length === 0
  }

  /** Takes what was claimed; all there was before is forgotten. */
  opened({ starts, positions, ends }: OpenedPartitions): void {
    this.positions = positions
    this.partitions = starts.map(({ topic, partition }) => ({ topic, partition }))
    this.#offsets.clear()
    this.#ends.clear()
    for (const start of starts) this.#offsets.set(placeOf(start), start.offset)
    this.#untold = new Set(this.#offsets.keys())
    this.endAt(ends)
  }

  moved(moves: readonly Move[]): void {
    for (const move of moves) {
      this.#offsets.set(placeOf(move), move.next)
      this.#untold.add(placeOf(move))
    }
  }

  endAt(ends: readonly PartitionOffset[]): void {
    for (const end of ends) this.#ends.set(placeOf(end), end.offset)
  }

  noteEnds(known: KnownEnds): void {
    for (const place of this.partitions) {
      const end = known.highWatermark(place.topic, place.partition)
      if (end !== undefined) this.#ends.set(placeOf(place), end)
    }
  }

  hasReached(ends: readonly PartitionOffset[]): boolean {
    return ends.every((end) => (this.#offsets.get(placeOf(end)) ?? Infinity) >= end.offset)
  }

  /** Offsets between the positions and the ends. */
  get lag(): number {
    let lag = 0
    for (const [place, offset] of this.#offsets) {
      lag += Math.max(0, (this.#ends.get(place) ?? offset) - offset)
    }
    return lag
  }

  /** What the group has not been told since it moved. */
  untold(): PartitionOffset[] {
    const told = this.partitions.filter((place) => this.#untold.has(placeOf(place)))
    this.#untold.clear()
    return told.map((place) => ({ ...place, offset: this.#offsets.get(placeOf(place))! }))
  }
}
