/** Windows of event time. */
import { HeadwaterError } from '../../base/errors.ts'
import { durationMs } from '../../base/units.ts'
import type { Duration } from '../../base/units.ts'
import type { TumblingWindow } from './topology.ts'

const retentionDefault = '30d'

/**
 * Windows of one size, end to end, aligned to 1970: `tumbling('1d', { grace: '0ms' })` is UTC days.
 * @param options `grace` is how long after a window's end its late records still count, in event time;
 * there is no default, because only the writer of the service knows how late facts come. `retention` is how
 * long after that a window of a returned table can be queried, in event time: 30 days when left out,
 * `'forever'` for no end
 */
export function tumbling(
  size: Duration,
  options: { grace: Duration; retention?: Duration | 'forever' },
): TumblingWindow {
  const { grace, retention = retentionDefault } = options
  const sizeMs = durationMs(size)
  const graceMs = durationMs(grace)
  const retentionMs = retention === 'forever' ? Infinity : durationMs(retention)
  const isWhole = (ms: number): boolean => Number.isInteger(ms) || ms === Infinity
  if (
    !Number.isInteger(sizeMs) ||
    sizeMs < 1 ||
    !Number.isInteger(graceMs) ||
    !isWhole(retentionMs)
  ) {
    throw new HeadwaterError(
      'topology-invalid',
      `a window of '${size}' with a grace of '${grace}' and a retention of '${retention}' is not whole ` +
        'milliseconds: use at least 1ms',
    )
  }
  return Object.freeze({ kind: 'tumbling', sizeMs, graceMs, retentionMs })
}
