/** Windows of event time. */
import { HeadwaterError } from '../../base/errors.ts'
import { durationMs } from '../../base/units.ts'
import type { Duration } from '../../base/units.ts'
import type { TumblingWindow } from './topology.ts'

/**
 * Windows of one size, end to end, aligned to 1970: `tumbling('1d', { grace: '0ms' })` is UTC days.
 * @param options `grace` is how long after a window's end its late records still count, in event time;
 * there is no default, because only the writer of the service knows how late facts come
 */
export function tumbling(size: Duration, options: { grace: Duration }): TumblingWindow {
  const sizeMs = durationMs(size)
  const graceMs = durationMs(options.grace)
  if (!Number.isInteger(sizeMs) || sizeMs < 1 || !Number.isInteger(graceMs)) {
    throw new HeadwaterError(
      'topology-invalid',
      `a window of '${size}' with a grace of '${options.grace}' is not whole milliseconds: use at least 1ms`,
    )
  }
  return Object.freeze({ kind: 'tumbling', sizeMs, graceMs })
}
