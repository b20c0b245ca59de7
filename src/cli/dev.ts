/**
 * `headwater dev FILE`: a broker that stays up, and beside it a process for the services, which starts again when
 * a source file changes. What the broker holds is kept, so each start goes on where the one before was; a start
 * that fails is shown, and the next change tries again.
 */
import { existsSync } from 'node:fs'
import { dirname, extname, join, relative, resolve, sep } from 'node:path'
import { addressText, dialable } from '../base/address.ts'
import type { Durability } from '../log/store/options.ts'
import { openBroker } from './broker.ts'
import { startServices } from './dev-child.ts'
import type { ServicesProcess } from './dev-child.ts'
import { generateOnChange } from './gen.ts'
import { Lifetime } from './lifetime.ts'
import { openLog } from './logging.ts'
import { hostDefault, listenerLines, listenersOf } from './listeners.ts'
import { moduleUrl } from './modules.ts'
import { print, printJson, printNote } from './output.ts'
import { watchFiles } from './watching.ts'
import type { Watched } from './watching.ts'

export interface DevOptions {
  /** The broker's data directory. */
  readonly dir: string
  readonly durability: Durability
  /** The port for Kafka clients; 0 takes a free one. */
  readonly port: number
  /** The port for queries over HTTP; 0 takes a free one at each start. */
  readonly queryPort: number
  /** The directory of `.proto` files, from which is generated while there is one. */
  readonly proto: string
  readonly out: string
  /** False: nothing is generated. */
  readonly gen: boolean
  readonly json?: boolean
}

export async function dev(file: string, options: DevOptions): Promise<void> {
  // A mistyped name is better said now than at each start.
  moduleUrl(file)
  using lifetime = new Lifetime()
  const failed = Promise.withResolvers<never>()
  const { dir, durability, json } = options
  await using broker = await openBroker({
    dir,
    durability,
    listeners: listenersOf({ host: hostDefault, port: options.port }),
    onFailure: failed.reject,
    log: openLog({ logFormat: json ? 'json' : 'pretty' }),
  })
  const { listeners } = broker
  const address = addressText(dialable(listeners[0]!))
  if (options.json) printJson({ kafka: address, dir: options.dir })
  else print(`Kafka:    ${listenerLines(listeners)[0]}, data in ${options.dir}\n`)
  const generates = options.gen && existsSync(options.proto)
  await using _generator = generates ? await generateOnChange(options) : undefined
  const changes = new Changes()
  await using _watcher = await watchFiles(sources(file, options), (paths) => changes.add(paths))
  const over = Promise.race([lifetime.over, failed.promise])
  await startAgainAndAgain({ start: () => startServices(file, address, options), changes, over })
}

/** What the services are made of: code and what it imports as JSON, below the working directory and the file's. */
function sources(file: string, { dir }: DevOptions): Watched {
  const here = resolve('.')
  const beside = dirname(resolve(file))
  const data = resolve(dir)
  return {
    directories: isBelow(here, beside) ? [here] : [here, beside],
    isOurs: (path) => sourceTypes.has(extname(path)) && !/\.test\.\w+$/.test(path),
    isForeign: (path) => {
      const [name = ''] = path.split(sep).slice(-1)
      return name === 'node_modules' || name.startsWith('.') || resolve(path) === data
    },
  }
}

const sourceTypes = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'])

function isBelow(directory: string, path: string): boolean {
  return !relative(directory, join(path, '.')).startsWith('..')
}

/** Paths that changed and that nobody has acted on yet. */
class Changes {
  readonly #paths = new Set<string>()
  #some = Promise.withResolvers<void>()

  add(paths: readonly string[]): void {
    for (const path of paths) this.#paths.add(path)
    this.#some.resolve()
  }

  /** Resolves when there are any. */
  get some(): Promise<void> {
    return this.#some.promise
  }

  take(): string[] {
    const paths = [...this.#paths]
    this.#paths.clear()
    this.#some = Promise.withResolvers()
    return paths
  }
}

interface Starts {
  readonly start: () => ServicesProcess
  readonly changes: Changes
  /** Resolves when it is time to stop; rejects when the broker failed. */
  readonly over: Promise<void>
}

async function startAgainAndAgain({ start, changes, over }: Starts): Promise<void> {
  const isOver = over.then(() => 'over' as const)
  for (;;) {
    const services = start()
    const isChanged = changes.some.then(() => 'changed' as const)
    try {
      const first = await Promise.race([isOver, isChanged, services.ended])
      if (first === 'over') return
      if (first !== 'changed') {
        printNote(`${first}; the next change starts them again`)
        if ((await Promise.race([isOver, isChanged])) === 'over') return
      }
    } finally {
      const late = await services.stop()
      if (late !== undefined) printNote(late)
    }
    const [path, ...more] = changes.take()
    const others = more.length === 0 ? '' : ` and ${more.length} more`
    printNote(`${relative('.', path!)}${others} changed: starting again`)
  }
}
