/**
 * Scenes: what a machine answers, as text that a person reviews.
 *
 * A scene is a title in `#` lines, then blocks: commands, `----`, and what came of them. `npm run scenes
 * -- --update` writes the second half anew; the diff is the review.
 *
 *     at 1000                         the time since the start; `after 1000` lets so much pass
 *     clock -1000                     the wall clock is set back, and no time passes
 *     JoinGroup v5 {groupId: g, ...}  a request, filled up with the protocol's defaults
 *     markers-written {...}           a command of the host
 *     restart                         the state is built anew from what was stored
 *
 * The scenes of `together` play all machines at once: see `together.ts`.
 *
 * Lines of output: `stored` a change that went to the log, `reply TOKEN`, `effect`, `wake at`. Tokens count
 * from `a`. At the end of every scene the runner checks that the stored changes, and the shortest list of
 * them, build the same state.
 */
import assert from 'node:assert/strict'
import { groupsDefaults } from '../../src/coordinator/groups/options.ts'
import { groupsMachine } from '../../src/coordinator/groups/machine.ts'
import { topicsMachine } from '../../src/coordinator/topics/machine.ts'
import { transactionsDefaults } from '../../src/coordinator/transactions/options.ts'
import { transactionsMachine } from '../../src/coordinator/transactions/machine.ts'
import type { TransactionsState } from '../../src/coordinator/transactions/state.ts'
import { Setting, Stage, type AnyMachine, type Lasting } from './stage.ts'
import { Together } from './together.ts'

const stages: Readonly<Record<string, { machine: () => unknown; lasting: Lasting }>> = {
  groups: {
    machine: () => groupsMachine(groupsDefaults),
    lasting: (state: { groups: unknown }) => state.groups,
  },
  transactions: {
    machine: () => transactionsMachine(transactionsDefaults),
    lasting: ({ timings: _timings, ...lasting }: TransactionsState) => lasting,
  },
  topics: {
    machine: () =>
      topicsMachine({
        nodeId: 1,
        defaultPartitions: 4,
        partitionsMax: 100,
        autoCreatePartitionsMax: 100,
        brokerConfigs: new Map([['log.dirs', '/d']]),
      }),
    lasting: (state: unknown) => state,
  },
}

/** The scene with its outputs as they are now; `cast` is the machine that plays, or `together`. */
export function runScene(cast: string, text: string): string {
  const setting = new Setting()
  const player = cast === 'together' ? together(setting) : alone(cast, setting)
  const [title, ...blocks] = text.trimEnd().split(/\n\n+/)
  assert(title?.startsWith('#'), 'a scene begins by saying which rule it shows')
  const played = blocks.map((block) => {
    const commands = block.split('\n----')[0]!
    if (commands.split('\n').every((line) => line.startsWith('#'))) return commands
    const output = commands
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .flatMap((line) => (setting.movesClock(line) ? [] : player.play(line)))
    return `${commands}\n----\n${output.length === 0 ? 'nothing' : output.join('\n')}`
  })
  player.checkReplay()
  return `${[title, ...played].join('\n\n')}\n`
}

interface Player {
  play(line: string): string[]
  checkReplay(): void
}

function alone(name: string, setting: Setting): Player {
  const stage = stageOf(name, setting)
  return {
    play: (line) => {
      const commands = line === 'restart' ? stage.restart() : [setting.commandOf(line)]
      return commands.flatMap((command) => stage.run(command).lines)
    },
    checkReplay: () => stage.checkReplay(),
  }
}

function together(setting: Setting): Player {
  const [topics, groups, transactions] = ['topics', 'groups', 'transactions'].map((name) =>
    stageOf(name, setting),
  )
  return new Together(setting, topics!, groups!, transactions!)
}

function stageOf(name: string, setting: Setting): Stage {
  const { machine, lasting } = stages[name]!
  return new Stage(machine() as AnyMachine, lasting, setting)
}
