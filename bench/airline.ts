/**
 * `node bench/airline.ts [flights] [rounds]`: the whole example, durable, from an empty directory to the
 * finished tables. Prints flights a second as the command itself reports it, with CPU time and memory.
 */
import { rmSync } from 'node:fs'
import { freshDirectory, runAirline } from './headwater.ts'
import { spread } from './measure.ts'

const flights = Number(process.argv[2] ?? 300_000)
const rounds = Number(process.argv[3] ?? 5)

const perSecond: number[] = []
const cpu: number[] = []
const wall: number[] = []
const memory: number[] = []
for (let round = 0; round < rounds; round++) {
  const directory = freshDirectory()
  const { result, usage, wallSeconds } = await runAirline(directory, flights)
  rmSync(directory, { recursive: true, force: true })
  if (result.flights !== flights) throw new Error(`${result.flights} flights instead of ${flights}`)
  perSecond.push(result.flightsPerSecond)
  cpu.push((usage.cpuSeconds / flights) * 1e6)
  wall.push(wallSeconds)
  memory.push(usage.peakRssMiB)
}
console.log(
  `airline, ${flights.toLocaleString('en-US')} flights, ${rounds} rounds: median (min–max)`,
)
console.log(`  flights/s          ${spread(perSecond)}`)
console.log(`  CPU µs/flight      ${spread(cpu, 1)}`)
console.log(`  whole process, s   ${spread(wall, 1)}`)
console.log(`  peak memory, MiB   ${spread(memory)}`)
