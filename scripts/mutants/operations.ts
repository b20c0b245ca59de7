/** Mutants of what operators rely on: when a process is ready, what it says of a lost broker, where flags come from. */
import type { Mutant } from './mutant.ts'

const readiness = ['test/unit/operations/readiness.test.ts']
const metrics = ['test/unit/operations/metrics.test.ts']
const reconnecting = ['test/unit/streams/reconnecting.test.ts']
const settings = ['test/unit/cli/settings.test.ts']
const notes = ['test/unit/cli/service-notes.test.ts']
const failing = ['test/unit/cli/failing.test.ts']
const configFile = 'src/cli/config-file.ts'

export const operationsMutants: readonly Mutant[] = [
  {
    name: 'readyLag',
    file: 'src/operations/readiness.ts',
    text: 'lag <= lagMax',
    instead: 'lag >= 0',
    tests: readiness,
  },
  {
    name: 'ready without a service',
    file: 'src/operations/readiness.ts',
    text: 'ready: all.length > 0 && ',
    instead: 'ready: ',
    tests: readiness,
  },
  {
    name: 'lag of a service without a broker',
    file: 'src/streams/runtime/stats.ts',
    text: 'isOpen && isRunning && !condition.isCutOff',
    instead: 'isOpen && isRunning',
    tests: reconnecting,
  },
  {
    name: 'lag of a service that has ended',
    file: 'src/streams/runtime/stats.ts',
    text: 'isOpen && isRunning && !condition.isCutOff',
    instead: 'isOpen && !condition.isCutOff',
    tests: metrics,
  },
  {
    name: 'one broker of several is not all',
    file: 'src/client/cluster/connection-pool.ts',
    text: ' && !this.#isConnected()',
    instead: '',
    tests: reconnecting,
  },
  {
    name: 'a lost broker is said once',
    file: 'src/client/cluster/connection-pool.ts',
    text: 'this.#isClosed || this.#isCutOff === isCutOff',
    instead: 'this.#isClosed',
    tests: reconnecting,
  },
  {
    name: 'what a lost broker brings with it is only counted',
    file: 'src/cli/service-notes.ts',
    text: 'felt !== undefined && isOfBroker(event)',
    instead: 'felt !== undefined && felt < 0',
    tests: notes,
  },
  {
    name: 'a failure nobody listens to',
    file: 'src/streams/runtime/heard.ts',
    text: 'if (!this.#isHeard) throw error',
    instead: 'if (!this.#isHeard) return',
    tests: failing,
  },
  {
    name: 'a flag beats the variable',
    file: configFile,
    text: 'text === undefined || isGiven(command, option)',
    instead: 'text === undefined',
    tests: settings,
  },
  {
    name: 'a variable beats the file',
    file: configFile,
    text: '!Object.hasOwn(values, name) || isGiven(command, option)',
    instead: '!Object.hasOwn(values, name)',
    tests: settings,
  },
  {
    name: 'unknown names of the file',
    file: configFile,
    text: 'if (unknown.length === 0) return',
    instead: 'if (unknown.length >= 0) return',
    tests: settings,
  },
  {
    name: 'requests of no API',
    file: 'src/broker/server/traffic.ts',
    text: 'Math.min(key, keysMax)',
    instead: 'key',
    tests: ['test/unit/broker/traffic.test.ts'],
  },
  {
    name: 'instances of one service are told apart',
    file: 'src/operations/metrics.ts',
    text: 'return { service, ...(instanceId && { instance_id: instanceId }) }',
    instead: 'return { service, ...(instanceId && {}) }',
    tests: ['test/unit/operations/metrics.test.ts'],
  },
]
