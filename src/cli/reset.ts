/** `headwater reset FILE SERVICE`: forgets everything of a service, so that it begins anew. */
import { planReset, resetService } from '../streams/identity/ways-out.ts'
import type { ResetPlan } from '../streams/identity/ways-out.ts'
import { planTopology } from '../streams/plan/plan.ts'
import { confirm } from './confirm.ts'
import { withCluster } from './connect.ts'
import { loadService } from './modules.ts'
import { print, printJson } from './output.ts'

export interface ResetOptions {
  readonly broker: string
  readonly yes?: boolean
  readonly json?: boolean
}

export async function reset(
  asked: { readonly file: string; readonly service: string },
  options: ResetOptions,
): Promise<void> {
  const service = await loadService(asked.file, asked.service)
  const plan = planTopology(service.build())
  const done = await withCluster(options.broker, async (cluster) => {
    const lines = describe(service.name, await planReset(cluster, plan))
    await confirm(lines, options.yes)
    return resetService(cluster, plan)
  })
  if (options.json) {
    const { topics, writtenAgain, inputs } = done
    printJson({ service: service.name, deleted: topics, writtenAgain, inputs })
  } else {
    print(describe(service.name, done).join('\n'))
  }
}

function describe(service: string, { topics, writtenAgain, inputs }: ResetPlan): string[] {
  const deleted = topics.length === 0 ? 'it has no topics of its own' : topics.join(', ')
  const lines = [
    `Service '${service}' begins anew: its offsets and its own topics are deleted (${deleted}).`,
  ]
  if (inputs.length > 0) lines.push(`Its inputs are read again: ${inputs.join(', ')}.`)
  if (writtenAgain.length > 0) {
    lines.push(
      `What it has written stays, and all of it is written once more: ${writtenAgain.join(', ')}.`,
    )
  }
  return lines
}
