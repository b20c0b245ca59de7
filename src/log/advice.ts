/**
 * What to do about damage, in the words of every message: run as it stands, the command does what is said.
 * `path` is the data directory or anything in it.
 */

/** For what only a backup brings back whole. */
export function backupOrRepair(path: string): string {
  return (
    `Put it back from a backup; or keep what can still be read: \`headwater log repair --dir ` +
    `${directoryOf(path)}\` says what is lost, asks, and moves aside what it takes away`
  )
}

/** For what can be made again from what is there. */
export function repairMakesIt(path: string): string {
  return `\`headwater log repair --dir ${directoryOf(path)}\` makes it again from what is there`
}

/** The data directory that a journal file, a segment or a log's directory is in. */
function directoryOf(path: string): string {
  return path.replace(/\/(journal|logs)(\/.*)?$/, '')
}
