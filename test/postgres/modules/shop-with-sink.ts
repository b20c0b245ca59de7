/** A service that brings orders in, and a sink that keeps a table of them, for `headwater run`. */
import { postgresSink, table } from '../../../src/postgres/index.ts'
import { checkout, Orders } from '../../unit/cli/modules/shop.ts'

export { checkout }

export const reporting = postgresSink('reporting', { tables: [table('orders', { from: Orders })] })
