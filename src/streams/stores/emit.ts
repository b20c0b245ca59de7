/** Where records leave a task: a producer, or a test. */
export interface Emit {
  /** The bytes may be reused after the call. */
  append(
    topic: string,
    partition: number,
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
  ): void
}
