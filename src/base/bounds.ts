/** Numbers that people set, and the bounds they have. */
import { HeadwaterError } from './errors.ts'

/**
 * Throws `config-invalid`, which names the bounds, unless `value` is a whole number from `least` to `most`.
 * @param about.unit what is to be given, as in 'whole milliseconds'
 * @param about.why which other setting moves the bounds
 */
export function assertWithin(
  name: string,
  value: number,
  least: number,
  most: number,
  about: { readonly unit?: string; readonly why?: string } = {},
): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  const { unit = 'a whole number' } = about
  const why = about.why === undefined ? '' : ` (${about.why})`
  throw new HeadwaterError(
    'config-invalid',
    `${name} is ${value}: give ${unit} from ${least} to ${most}${why}`,
  )
}
