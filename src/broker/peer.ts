/** The other end of a connection, as everything behind it sees it. */
export interface Peer {
  /** The client's address, for people. */
  readonly remote: string
  /** The address the client dialled: what it is told to dial again. */
  readonly local: { readonly host: string; readonly port: number }
  /** Calls back when the connection ends; returns what takes the callback off again. */
  onGone(callback: () => void): () => void
}
