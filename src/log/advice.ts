/** What to do about damage, in the words of every message: run as it stands, the command does what is said. */
import { shellWord } from '../base/shell-word.ts'

/**
 * For what only a backup brings back whole.
 * @param path a file of the data directory, or that itself
 * @param depth how deep the path is in it: 2 for a file of the journal, 3 for one of a log
 */
export function backupOrRepair(path: string, depth: 0 | 1 | 2 | 3): string {
  return (
    `Put it back from a backup; or keep what can still be read: \`headwater log repair --dir ` +
    `${shellWord(above(path, depth))}\` says what is lost, asks, and keeps in aside/ what it takes away`
  )
}

/** For what can be made again from what is there. @param directory the data directory */
export function repairMakesIt(directory: string): string {
  return `\`headwater log repair --dir ${shellWord(directory)}\` makes it again from what is there`
}

function above(path: string, depth: number): string {
  const names = path.split('/')
  return names.slice(0, names.length - depth).join('/')
}
