/** The door for tests: a topology without a broker, and a disk that fails when it is told to. */
export { SimDisk } from './sim-disk.ts'
export type { SimDiskOptions, SimFault } from './sim-disk.ts'
export { TopologyDriver } from './topology-driver.ts'
