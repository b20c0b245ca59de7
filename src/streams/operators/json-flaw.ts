/** Whether a value is JSON as it stands: what is not would be written as something else, without a word. */

/** Levels that are looked at: what holds itself has no end. */
const levelsMax = 100

/** Where a value is no JSON and what is there, as in `.items[2] is a bigint`; undefined when all of it is. */
export function jsonFlaw(value: unknown, path = '', levels = levelsMax): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : `${path || 'it'} is ${value}`
  }
  if (levels === 0) return `${path.slice(0, 100)} is too deep`
  if (Array.isArray(value)) {
    return firstFlaw(value.entries(), (at, item) => jsonFlaw(item, `${path}[${at}]`, levels - 1))
  }
  if (typeof value !== 'object' || !isPlain(value)) {
    return `${path || 'it'} is ${typeof value === 'object' ? 'no plain object' : `a ${typeof value}`}`
  }
  return firstFlaw(Object.entries(value), (name, item) => {
    return jsonFlaw(item, `${path}.${name}`, levels - 1)
  })
}

function firstFlaw<K>(
  parts: Iterable<readonly [K, unknown]>,
  flawOf: (name: K, item: unknown) => string | undefined,
): string | undefined {
  for (const [name, item] of parts) {
    const flaw = flawOf(name, item)
    if (flaw !== undefined) return flaw
  }
  return undefined
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
