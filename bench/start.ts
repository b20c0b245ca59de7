/**
 * `npm run build && node bench/start.ts [rounds]`: how long the broker takes from the start of its process
 * until it says where it listens, what CPU time that is, and what it holds in memory when idle for two
 * seconds: from the package and from a clone's sources, each after a start that does not count. Beside them
 * a bare Node process that listens, since that much is Node's own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { packagedCommand, startBroker } from './headwater.ts'
import { spread, usageOf } from './measure.ts'

const rounds = Number(process.argv[2] ?? 7)
const bareServer = "require('node:net').createServer().listen(0, () => console.log('ready'))"

interface Start {
  readonly readyMs: number
  readonly cpuMs: number
  readonly idleMiB: number
}

const kinds: readonly (readonly [string, () => Promise<Start>])[] = [
  ['headwater broker, from the package', () => broker(packagedCommand())],
  ['headwater broker, from a clone', () => broker()],
  ['bare Node server', bare],
]
const starts = new Map<string, Start[]>(kinds.map(([name]) => [name, []]))
for (let round = 0; round <= rounds; round++) {
  for (const [name, start] of kinds) {
    const one = await start()
    // The first start of all has Node compile the code; it keeps that.
    if (round > 0) starts.get(name)!.push(one)
  }
}
console.log(`${rounds} rounds: median (min–max)`)
for (const [name, all] of starts) {
  const ready = spread(all.map(({ readyMs }) => readyMs))
  const cpu = spread(all.map(({ cpuMs }) => cpuMs))
  const idle = spread(all.map(({ idleMiB }) => idleMiB))
  console.log(`  ${name}: ready after ${ready} ms, CPU ${cpu} ms, idle ${idle} MiB`)
}

async function broker(command?: string): Promise<Start> {
  const started = await startBroker([], undefined, command)
  const cpuMs = usageOf(started.pid).cpuSeconds * 1_000
  await sleep(2_000)
  const idleMiB = usageOf(started.pid).rssMiB
  await started.stop()
  return { readyMs: started.readyMs, cpuMs, idleMiB }
}

async function bare(): Promise<Start> {
  const started = performance.now()
  const child = spawn(process.execPath, ['-e', bareServer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const readyMs = performance.now() - started
  const cpuMs = usageOf(child.pid!).cpuSeconds * 1_000
  await sleep(2_000)
  const idleMiB = usageOf(child.pid!).rssMiB
  child.kill('SIGKILL')
  await once(child, 'close')
  return { readyMs, cpuMs, idleMiB }
}
