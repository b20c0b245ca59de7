/** How what contracts name is called in TypeScript. */

/** `orders-placed` and `orders.placed` as `OrdersPlaced`; what begins with a digit gets a letter before it. */
export function constantName(name: string): string {
  const words = name.split(/[^a-zA-Z0-9]+/).filter((word) => word !== '')
  const joined = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
  return /^[A-Z]/.test(joined) ? joined : `N${joined}`
}

/** Whether a name may be a constant's as it is: an upper-case letter, then letters and digits. */
export function isConstantName(name: string): boolean {
  return /^[A-Z][a-zA-Z0-9]*$/.test(name)
}
