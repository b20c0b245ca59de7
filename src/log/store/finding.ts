/** What a start found in its directory that somebody should know of, and went on with. */
export interface Finding {
  /**
   * `upgraded` to the format of this version; `copied`, moved or restored since the last start; `healed`:
   * a file was damaged and nothing was lost with it; `cut`: an interrupted write was taken away; `damaged`:
   * records of one log cannot be read, and the rest is served.
   */
  readonly kind: 'upgraded' | 'copied' | 'healed' | 'cut' | 'damaged'
  /** One sentence or more, with the path, for people. */
  readonly text: string
  /** Whose records are concerned. */
  readonly log?: string
}
