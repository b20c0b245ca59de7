/** Moments as people write them: RFC 3339, which always says how far from UTC its clock is, or a number. */

/** How times are written, for errors. */
export const instantForms =
  'a time of RFC 3339 with its zone, as in 2001-01-15T00:00:00Z or 2001-01-15T02:00:00+02:00, or ' +
  'milliseconds since 1970'

/**
 * Milliseconds since 1970 of a time that is written in one of `instantForms`; undefined when it is none.
 * Records may claim times beyond the last date there is, which only a number can say.
 */
export function parseInstant(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return parseRfc3339(text)
  const time = Number(text)
  return Number.isSafeInteger(time) ? time : undefined
}

/**
 * The moment that `text` names, in milliseconds since 1970; undefined when it is no RFC 3339 time. Strict:
 * without a zone, or on a day that no calendar has, it is none. What is finer than a millisecond is cut off.
 */
function parseRfc3339(text: string): number | undefined {
  const match = shape.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number)
  const [fraction = '', sign, zoneHour = '0', zoneMinute = '0'] = match.slice(7)
  if (hour! > 23 || minute! > 59 || second! > 59) return undefined
  if (Number(zoneHour) > 23 || Number(zoneMinute) > 59) return undefined
  const date = new Date(0)
  // `Date.UTC` would take the first hundred years for those after 1900.
  date.setUTCFullYear(year!, month! - 1, day)
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour!, minute, second, Number(fraction.padEnd(3, '0').slice(0, 3)))
  const zoneMs = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000
  return date.getTime() - (sign === '-' ? -zoneMs : zoneMs)
}

const shape =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/
