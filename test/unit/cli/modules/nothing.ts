/** Exports no service and no event. */
export const answer = 42
