/** A broker in a process of its own, to be killed: prints its port, then serves until it is told to stop.
 * Usage: node broker-process.ts DIRECTORY [PORT] */
import { Broker } from '../../src/broker/broker.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import { nodeDisk } from '../../src/io/node-disk.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import { descriptorsMax } from '../../src/io/node-process.ts'

const [directory, port] = process.argv.slice(2)

try {
  const broker = await Broker.open({
    disk: nodeDisk,
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
    directory: directory!,
    descriptorsMax: descriptorsMax(),
    port: Number(port ?? 0),
  })
  console.log(`listening ${broker.address!.port} ${JSON.stringify(broker.recovered)}`)
  process.once('SIGTERM', () => void broker.close().then(() => process.exit(0)))
} catch (error) {
  console.log(`failed ${(error as { code?: string }).code} ${(error as Error).message}`)
  process.exit(1)
}
