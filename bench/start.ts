/**
 * `node bench/start.ts [rounds]`: how long the broker takes from the start of its process until it says
 * where it listens, and what it holds in memory when idle for two seconds. Beside it a bare Node process
 * that listens, since that much is Node's own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { startBroker } from './headwater.ts'
import { spread, usageOf } from './measure.ts'

const rounds = Number(process.argv[2] ?? 7)
const bareServer = "require('node:net').createServer().listen(0, () => console.log('ready'))"

const ready: number[] = []
const idle: number[] = []
const bareReady: number[] = []
const bareIdle: number[] = []
for (let round = 0; round < rounds; round++) {
  const broker = await startBroker()
  ready.push(broker.readyMs)
  await sleep(2_000)
  idle.push(usageOf(broker.pid).rssMiB)
  await broker.stop()
  await bare()
}
console.log(`${rounds} rounds: median (min–max)`)
console.log(`  headwater broker: ready after ${spread(ready)} ms, idle ${spread(idle)} MiB`)
console.log(`  bare Node server: ready after ${spread(bareReady)} ms, idle ${spread(bareIdle)} MiB`)

async function bare(): Promise<void> {
  const started = performance.now()
  const child = spawn(process.execPath, ['-e', bareServer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  bareReady.push(performance.now() - started)
  await sleep(2_000)
  bareIdle.push(usageOf(child.pid!).rssMiB)
  child.kill('SIGKILL')
  await once(child, 'close')
}
