/** Waiting, always for a bounded time. */

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Asks until `holds`; false when it does not within `ms`. */
export async function until(holds: () => boolean, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  while (!holds()) {
    if (performance.now() > deadline) return false
    await pause(25)
  }
  return true
}
