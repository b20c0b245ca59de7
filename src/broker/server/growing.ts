/**
 * Answers that grow with what the broker holds: nobody knows how much one takes before it is made. It is made
 * in the room that it has, and when that is too little, dropped and made again in more: so it waits for memory
 * without holding any. All such answers are looked up and change nothing, so they can be made again.
 */
import { Outgrown, type AnswerRoom } from '../memory.ts'
import { Unfinished } from '../turns.ts'

type Made<R> = R | Promise<R> | Unfinished<R | Promise<R>>

/**
 * @param make throws `Outgrown`, at once or later, when `room` is too little
 * @param bytesMax what the answer may take; beyond, it is `frame-too-large`
 */
export function makeGrowing<R>(make: () => Made<R>, room: AnswerRoom, bytesMax: number): Made<R> {
  const again = async (error: unknown): Promise<R> => {
    let failure = error
    for (;;) {
      if (!(failure instanceof Outgrown)) throw failure
      await room.more(bytesMax)
      try {
        return await whole(make())
      } catch (next) {
        failure = next
      }
    }
  }
  const againInTurns = async (error: unknown) => ({ value: await again(error) })
  try {
    const made = make()
    if (!(made instanceof Unfinished)) return made instanceof Promise ? made.catch(again) : made
    const late = ({ value }: { readonly value: R | Promise<R> }) => ({
      value: value instanceof Promise ? value.catch(again) : value,
    })
    return new Unfinished(made.end.then(late, againInTurns))
  } catch (error) {
    if (!(error instanceof Outgrown)) throw error
    return new Unfinished(againInTurns(error))
  }
}

/** When all of it is there. */
export async function whole<R>(made: Made<R>): Promise<R> {
  if (!(made instanceof Unfinished)) return made
  const { value } = await made.end
  return value
}
