/** One moment by both clocks: what lasts is measured by the first, what is told or stored says the second. */
export interface Instant {
  /** Milliseconds of this process's own. They never go back, and mean nothing to another process. */
  readonly monotonicMs: number
  /** Milliseconds since 1970. Somebody may set them to anything at any time. */
  readonly wallMs: number
}
