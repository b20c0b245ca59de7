/** What a connection and those who answer its requests tell each other. */
import type { AnswerRoom } from '../memory.ts'

/** The chunks of one response, or undefined when the request gets none (a produce with acks=0). */
export type Answer = Uint8Array[] | undefined

/** A request that has begun: nothing that comes after it can overtake it any more. */
export interface Begun {
  readonly answer: Answer | Promise<Answer>
}

/** A request so long that it takes turns to begin it; until then nothing that comes after it begins. */
export interface Beginning {
  readonly begun: Promise<Begun>
}

/** The request's own end of the memory: what it becomes, and room for its answer. */
export interface RequestMemory extends AnswerRoom {
  decoded(heapBytes: number): void
}

/** Why a connection ended, when it was the broker that ended it. */
export interface Ending {
  readonly type: 'refused' | 'idle'
  readonly reason: string
}
