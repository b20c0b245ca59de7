/** A request that names a view there is, before it is looked at what it asks of it. */
import type { Context } from 'hono'
import type { HttpAsk } from '../io/ports.ts'
import type { ViewReader } from '../streams/views/view-reader.ts'

export interface Question {
  readonly context: Context
  readonly service: string
  readonly view: string
  readonly reader: ViewReader
  /** How other instances are asked. */
  readonly ask: HttpAsk
  /** Whether another instance asks: it is answered from what is here, and nobody else is asked. */
  readonly isHop: boolean
}
