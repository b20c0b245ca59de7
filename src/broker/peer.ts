/** The other end of a connection, as everything behind it sees it. */
export interface Peer {
  /** The client's address, for people. */
  readonly remote: string
  /** Where the client is told to connect: what its listener advertises, or the address it dialled. */
  readonly advertised: { readonly host: string; readonly port: number }
  /** Calls back when the connection ends; returns what takes the callback off again. */
  onGone(callback: () => void): () => void
}
