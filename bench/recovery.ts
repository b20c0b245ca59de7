/**
 * `node bench/recovery.ts [flights] [rounds]`: kills the example with SIGKILL in the middle of its load,
 * starts it again and prints how long until it has its tables back and goes on, and until it is through.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { airlineArguments, freshDirectory, runAirline } from './headwater.ts'
import { spread } from './measure.ts'

const flights = Number(process.argv[2] ?? 3_000_000)
const rounds = Number(process.argv[3] ?? 3)

const undisturbed = freshDirectory()
const whole = await runAirline(undisturbed, flights)
const again: number[] = []
for (let round = 0; round < rounds; round++) {
  again.push((await runAirline(undisturbed, flights)).wallSeconds)
}
rmSync(undisturbed, { recursive: true, force: true })

const rest: number[] = []
for (let round = 0; round < rounds; round++) {
  const directory = freshDirectory()
  const share = (round + 1) / (rounds + 1)
  const child = spawn(process.execPath, airlineArguments(directory, flights), { stdio: 'ignore' })
  await sleep(whole.wallSeconds * share * 1_000)
  child.kill('SIGKILL')
  await once(child, 'close')
  const { wallSeconds, result } = await runAirline(directory, flights)
  if (result.airportDays !== whole.result.airportDays) throw new Error('the tables differ')
  rest.push(wallSeconds - whole.wallSeconds * (1 - share))
  rmSync(directory, { recursive: true, force: true })
}
console.log(
  `${flights.toLocaleString('en-US')} flights, ${rounds} rounds: median (min–max) in seconds`,
)
console.log(`  a whole run, for scale                            ${whole.wallSeconds.toFixed(2)}`)
console.log(`  started again on finished data, process to exit   ${spread(again, 2)}`)
console.log(`  lost to a SIGKILL: rest of the load taken off     ${spread(rest, 2)}`)
