/** A group member's identity, as commits must name it to be refused once it is stale (KIP-447). */
export interface GroupMetadata {
  readonly groupId: string
  /** -1 outside any generation: only for groups without members. */
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}
