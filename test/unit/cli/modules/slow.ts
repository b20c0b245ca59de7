/** The shop of `shop.ts`, whose desk takes long for each order of Ada's. */
import { service } from '../../../../src/index.ts'
import { Orders } from './shop.ts'

export { checkout } from './shop.ts'

export const desk = service('desk', {
  reads: [Orders],
  writes: [],
  topology: (s) => ({
    counts: s
      .stream(Orders)
      .filter(({ customerId }) => {
        if (customerId === 'ada') busyFor(1_600)
        return true
      })
      .count('orders'),
  }),
})

function busyFor(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
