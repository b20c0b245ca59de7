/** `headwater log`: a data directory that no broker has open: is it sound, what is in it, and mending it. */
import { resolve } from 'node:path'
import { nodeClock } from '../io/node-clock.ts'
import { nodeDisk } from '../io/node-disk.ts'
import { dumpFile, type DumpLine } from '../log/store/dump.ts'
import { repairStore } from '../log/store/repair.ts'
import { verifyStore, type Verification } from '../log/store/verify.ts'
import { decodeRecords } from '../records/record.ts'
import { confirm } from './confirm.ts'
import { formatCount, print, printJson, Refused } from './output.ts'
import { recordJson, recordLine } from './record-text.ts'

interface LogOptions {
  readonly dir: string
  readonly json?: boolean
}

/** Reads everything and names each damage; exit code 2 when there is one. */
export async function verifyLog({ dir, json }: LogOptions): Promise<void> {
  const found = await verifyStore(nodeDisk, resolve(dir))
  tellOf(found, json)
  if (found.problems.length > 0) throw new Refused()
}

/** Says what is damaged, asks, and goes on without what is lost. */
export async function repairLog({
  dir,
  json,
  yes,
}: LogOptions & { readonly yes?: boolean }): Promise<void> {
  const path = resolve(dir)
  const found = await verifyStore(nodeDisk, path)
  if (found.problems.length === 0) return tellOf(found, json)
  await confirm([...problemsOf(found), `Repair ${path} without what is lost?`], yes)
  const done = await repairStore(nodeDisk, nodeClock, path)
  const { problems } = await verifyStore(nodeDisk, path)
  if (json) printJson({ found: found.problems, done, left: problems })
  else print([...done, ...problems.map(({ text }) => `still damaged: ${text}`)].join('\n'))
  if (problems.length > 0) throw new Refused()
}

/** Prints what a file of a data directory says. */
export async function dumpLog(
  file: string,
  { json, records }: { readonly json?: boolean; readonly records?: boolean },
): Promise<void> {
  for await (const { batch, ...line } of dumpFile(nodeDisk, resolve(file))) {
    if (json) printJson(line)
    else print(textOf(line))
    if (!records || batch === undefined) continue
    for (const record of decodeRecords(batch)) {
      const placed = { ...record, topic: '', partition: 0 }
      if (json) printJson({ type: 'record', ...recordJson(placed, undefined) })
      else print(`  record ${recordLine(placed, undefined)}`)
    }
  }
}

function tellOf(found: Verification, json: boolean | undefined): void {
  if (json) return printJson(found)
  const { logs, segments, records, problems } = found
  for (const text of problemsOf(found)) print(text)
  const counts = `${formatCount(logs)} logs, ${formatCount(segments)} segments, ${formatCount(records)} records`
  print(problems.length === 0 ? `${counts}: all of it is sound` : counts)
}

function problemsOf({ problems }: Verification): string[] {
  return problems.map(({ text }) => `damaged: ${text}.`)
}

function textOf({ type, ...fields }: Omit<DumpLine, 'batch'>): string {
  const shown = Object.entries(fields).map(([name, value]) => {
    return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`
  })
  return [type, ...shown].join(' ')
}
