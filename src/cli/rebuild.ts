/** `headwater rebuild FILE SERVICE STORE`: one store anew from its streams. */
import { planRebuild, rebuildStore } from '../streams/identity/ways-out.ts'
import { planTopology } from '../streams/plan/plan.ts'
import { confirm } from './confirm.ts'
import { withCluster } from './connect.ts'
import { loadService } from './modules.ts'
import { formatCount, print, printJson, printNote } from './output.ts'

export interface RebuildOptions {
  readonly broker: string
  readonly yes?: boolean
  readonly json?: boolean
}

export async function rebuild(
  asked: { readonly file: string; readonly service: string; readonly store: string },
  options: RebuildOptions,
): Promise<void> {
  const { store } = asked
  const service = await loadService(asked.file, asked.service)
  const plan = planTopology(service.build())
  const { records, rows } = await withCluster(options.broker, async (cluster) => {
    const { ranges, incomplete } = await planRebuild(cluster, plan, store)
    const offsets = ranges.reduce((sum, { offset, until }) => sum + until - offset, 0)
    const topics = [...new Set(ranges.map(({ topic }) => topic))].join(', ')
    const notes = incomplete.map(
      (topic) =>
        `'${topic}' does not hold every record it ever held: what it has lost is not counted again.`,
    )
    const what =
      `Store '${store}' of service '${service.name}' is emptied and folded anew from ` +
      `${topics === '' ? 'nothing' : topics} (${formatCount(offsets)} offsets).`
    await confirm([what, ...notes], options.yes)
    for (const note of notes) printNote(note)
    return rebuildStore(cluster, plan, store)
  })
  if (options.json) printJson({ service: service.name, store, records, rows })
  else
    print(
      `rebuilt ${store} from ${formatCount(records)} records: ${formatCount(rows)} rows written`,
    )
}
