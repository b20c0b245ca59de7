/** One thing that is taken away, and the tests that must notice. */
export interface Mutant {
  /** The bound or the rule that is taken away. */
  readonly name: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly text: string
  readonly instead: string
  readonly tests: readonly string[]
}
