/** An instance that decides nothing at the moment: it takes commands over HTTP nevertheless. */
import { serveQueries } from '../../../src/query/listen.ts'
import type { Decides } from '../../../src/query/view.ts'
import type { CommandAsker } from '../../../src/streams/runtime/asker.ts'
import { OrderCommands } from '../../types/ordering.ts'

export interface Front extends AsyncDisposable {
  /** Where commands are taken: `http://127.0.0.1:…/v1/ordering`. */
  readonly url: string
}

export async function frontOf(asker: CommandAsker): Promise<Front> {
  const commands = { 'order-commands': OrderCommands }
  const decides: Decides = { commands, ask: (of, message, o) => asker.ask(of, message as never, o) }
  const service = {
    name: 'ordering',
    views: {},
    ready: () => true,
    ended: () => undefined,
    decides,
  }
  const server = await serveQueries({ host: '127.0.0.1', port: 0, services: () => [service] })
  return {
    url: `${server.url}/v1/ordering`,
    [Symbol.asyncDispose]: () => server.close(),
  }
}
