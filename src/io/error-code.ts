/** What the system calls a failure. */

/** `ENOSPC` and its like; undefined when it has no name. */
export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code
}
