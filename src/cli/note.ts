/** Something to be said on standard error. */
export interface Note {
  readonly level: 'debug' | 'info' | 'warn'
  /** Notes of one kind are held back together. */
  readonly kind: string
  readonly text: string
  /** What programs read. */
  readonly event: object
}
