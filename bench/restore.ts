/**
 * `node bench/restore.ts [rows] [rounds]`: a service that counts by key comes back from its changelog: how
 * long from its start until it runs, and what a row holds in memory beside the bytes of its key and value.
 * Memory is heap and what lies outside it after a collection, less that of the same service without rows.
 *
 * `node bench/restore.ts 1000000 1 --cpu-prof --cpu-prof-dir=DIR` profiles the process that restores.
 */
import { startBroker } from './headwater.ts'
import { spread, usageOf } from './measure.ts'
import { digestOf, keyName } from './streams/digest.ts'
import { createTopics, loadPayments, untilCommitted } from './streams/payments.ts'
import { startService } from './streams/service-process.ts'

const [rowsText = '1000000', roundsText = '5', ...flags] = process.argv.slice(2)
const rows = Number(rowsText)
const rounds = Number(roundsText)
/** The counts are all 1, which takes a byte in whatever form. */
const keyAndValueBytes = keyName(0).length + 1

interface Restored {
  readonly ms: number
  readonly memory: number
  readonly digest: string
  readonly cpuSeconds: number
}

const times: number[] = []
const cpu: number[] = []
const perRow: number[] = []
const [full, empty] = await Promise.all([startBroker(), startBroker()])
try {
  const { all } = await loadPayments(full.port, rows, rows)
  await createTopics(empty.port, ['payments'])
  await count(full.port)
  for (let round = 0; round < rounds; round++) {
    const baseline = await restore(empty.port, [])
    const restored = await restore(full.port, flags)
    const expected = digestOf(all)
    if (restored.digest !== expected) throw new Error(`${restored.digest} instead of ${expected}`)
    times.push(restored.ms / 1000)
    cpu.push(restored.cpuSeconds)
    perRow.push((restored.memory - baseline.memory) / rows)
  }
} finally {
  await full.stop()
  await empty.stop()
}
console.log(`${rows.toLocaleString('en-US')} rows, ${rounds} rounds: median (min–max)`)
console.log(`  start to running, s                       ${spread(times, 2)}`)
console.log(`  CPU of the process meanwhile, s           ${spread(cpu, 2)}`)
console.log(`  memory a row, bytes                       ${spread(perRow)}`)
console.log(
  `  less ${keyAndValueBytes} bytes of key and value           ` +
    spread(perRow.map((bytes) => bytes - keyAndValueBytes)),
)

/** Lets the service count everything once, so that its changelog holds a row for each key. */
async function count(port: number): Promise<void> {
  const child = startService('count', port)
  try {
    await child.says('ready')
    child.tell('go')
    await child.says('running')
    await untilCommitted(port, 'counting', rows)
    await child.end()
  } finally {
    child.kill()
  }
}

async function restore(port: number, extra: readonly string[]): Promise<Restored> {
  const child = startService('count', port, { nodeFlags: ['--expose-gc', ...extra] })
  try {
    await child.says('ready')
    const before = usageOf(child.pid).cpuSeconds
    child.tell('go')
    await child.says('running')
    const cpuSeconds = usageOf(child.pid).cpuSeconds - before
    child.tell('tell')
    const told = JSON.parse(await child.line()) as Omit<Restored, 'cpuSeconds'>
    await child.end()
    return { ...told, cpuSeconds }
  } finally {
    child.kill()
  }
}
