/** `headwater plan FILE`: what becomes of each store of each service, were it started now, and why; and of sinks. */
import { HeadwaterError } from '../base/errors.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { acceptStore, planService } from '../streams/identity/ways-out.ts'
import type { SourceVerdict, StoreVerdict, Verdicts } from '../streams/identity/verdict.ts'
import { planTopology } from '../streams/plan/plan.ts'
import { withCluster } from './connect.ts'
import { loadAll, loadService } from './modules.ts'
import { Refused, formatCount, formatTable, print, printJson, printNote } from './output.ts'
import type { Column } from './output.ts'
import { planSinks, printSink } from './plan-sinks.ts'

export interface PlanOptions {
  readonly broker: string
  readonly accept?: string
  /** Where the positions of sinks are. */
  readonly database?: string
  readonly json?: boolean
}

export async function plan(file: string, options: PlanOptions): Promise<void> {
  const { services, sinks } = await loadAll(file)
  const plans = services.map((service) => planTopology(service.build()))
  const { verdicts, planned } = await withCluster(options.broker, async (cluster) => {
    if (options.accept !== undefined) await accept(cluster, file, options.accept)
    const all: Verdicts[] = []
    for (const each of plans) all.push((await planService(cluster, each)).verdicts)
    return { verdicts: all, planned: await planSinks(cluster, sinks, options.database) }
  })
  for (const each of verdicts) {
    if (options.json) printJson(asJson(each))
    else printVerdicts(each)
  }
  for (const each of planned) printSink(each, options.json === true)
  const isRefused = verdicts.some(({ stores, sources }) =>
    [...stores, ...sources].some(({ outcome }) => outcome === 'refused'),
  )
  if (isRefused) throw new Refused()
}

async function accept(cluster: Cluster, file: string, text: string): Promise<void> {
  const [name = '', store = '', ...more] = text.split('/')
  if (name === '' || store === '' || more.length > 0) {
    throw new HeadwaterError('config-invalid', `--accept ${text}: write SERVICE/STORE`)
  }
  const service = await loadService(file, name)
  await acceptStore(cluster, planTopology(service.build()), store)
  printNote(`store '${store}' of service '${name}' is accepted`)
}

function asJson({ service, stores, sources }: Verdicts) {
  return {
    service,
    stores: stores.map(({ store, outcome, why, from, fixes }) => {
      return { store, outcome, why, from, fixes }
    }),
    topics: sources,
  }
}

function printVerdicts({ service, stores, sources }: Verdicts): void {
  print(`service ${service}`)
  if (stores.length > 0) print(formatTable(storeColumns, stores).join('\n'))
  else print('it keeps no state')
  const notable = sources.filter(({ outcome }) => outcome !== 'kept' && outcome !== 'new')
  if (notable.length > 0) print(`\n${formatTable(topicColumns, notable).join('\n')}`)
  const named = [
    ...sources.map((each) => ({ ...each, name: `topic '${each.topic}'` })),
    ...stores.map((each) => ({ ...each, name: `store '${each.store}'` })),
  ]
  for (const { name, outcome, why, fixes } of named) {
    if (outcome !== 'refused') continue
    print(`\n${name} ${why}:`)
    for (const fix of fixes) print(`  ${fix}`)
  }
  print('')
}

const storeColumns: readonly Column<StoreVerdict>[] = [
  { title: 'store', text: ({ store }) => store },
  { title: 'outcome', text: ({ outcome }) => outcome },
  {
    title: 'records to read',
    text: ({ outcome, from }) =>
      from
        .map(({ topic, records }) => {
          const count = `${formatCount(records)} of ${topic}`
          return outcome === 'refused' ? `(${count})` : count
        })
        .join(', '),
  },
  { title: 'why', text: ({ outcome, why }) => (outcome === 'refused' ? 'see below' : why) },
]

const topicColumns: readonly Column<SourceVerdict>[] = [
  { title: 'topic', text: ({ topic }) => topic },
  { title: 'outcome', text: ({ outcome }) => outcome },
  { title: 'why', text: ({ outcome, why }) => (outcome === 'refused' ? 'see below' : why) },
]
