/** Tasks and inputs that were put aside while the group rebalances. */
import type { Ownership } from '../../client/group/group-member.ts'
import type { InputReader } from '../task/inputs.ts'
import type { Task } from '../task/task.ts'

/** What was put aside, and under which ownership; undefined when nothing was. */
export interface Kept {
  readonly tasks: ReadonlyMap<string, Task>
  readonly inputs: ReadonlyMap<string, InputReader>
  readonly under: Ownership | undefined
}
