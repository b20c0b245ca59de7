/** Watches files and says when they changed: what is saved together is told together, and never twice at once. */
import { watch } from 'chokidar'

/** How long it stays quiet before a change is told: editors write in several steps. */
const quietMs = 60

export interface Watched {
  /** The directories, with all that is below them. */
  readonly directories: readonly string[]
  /** Whether a file counts; asked with its path. */
  readonly isOurs: (path: string) => boolean
  /** Whether a directory below is left alone; asked with its path. */
  readonly isForeign?: (path: string) => boolean
}

/**
 * Calls `changed` with the paths that changed, came or went since it was called last. Once it has returned, no
 * change after that is missed. Disposing waits for a call that is under way.
 */
export async function watchFiles(
  { directories, isOurs, isForeign = () => false }: Watched,
  changed: (paths: readonly string[]) => Promise<void> | void,
): Promise<AsyncDisposable> {
  const watcher = watch([...directories], {
    ignoreInitial: true,
    ignored: (path, stats) => (stats?.isFile() ? !isOurs(path) : isForeign(path)),
  })
  const paths = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  const tell = (): void => {
    running = running.then(async () => {
      const told = [...paths].toSorted()
      paths.clear()
      if (told.length > 0) await changed(told)
    })
  }
  watcher.on('all', (_event, path) => {
    if (!isOurs(path)) return
    paths.add(path)
    clearTimeout(timer)
    timer = setTimeout(tell, quietMs)
  })
  const ready = Promise.withResolvers<void>()
  watcher.once('ready', ready.resolve)
  watcher.on('error', ready.reject)
  await ready.promise
  return {
    [Symbol.asyncDispose]: async () => {
      clearTimeout(timer)
      await watcher.close()
      await running
    },
  }
}
