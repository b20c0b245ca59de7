/**
 * The four families of Kafka clients, each as processes that we did not write or that hold nothing but calls
 * of the library: one that writes numbered records and says which were acknowledged, one that reads in a
 * group and says what it saw.
 *
 *   java          Kafka's own VerifiableProducer and VerifiableConsumer
 *   librdkafka    kcat
 *   kafkajs       javascript-client.ts
 *   platformatic  the same, with @platformatic/kafka
 *
 * Every writer is idempotent where its library can be, so that nothing may be there twice.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { java, kafkaJars, logOption } from '../../scripts/kafka/jars.ts'

export type FamilyName = 'java' | 'librdkafka' | 'kafkajs' | 'platformatic'
export const familyNames: readonly FamilyName[] = ['java', 'librdkafka', 'kafkajs', 'platformatic']

/** Partitions of what the two JavaScript libraries write. */
export const javascriptPartitions = 3

/** A record by its number, and where it is said to be. */
export interface Placed {
  readonly number: number
  readonly partition: number
  readonly offset: number
}

/** What a line of a writer says; a record that was given up may be there or not. */
type WriterLine =
  | { readonly kind: 'acknowledged'; readonly placed: Placed }
  | { readonly kind: 'given-up'; readonly text: string }

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  /** Whether it writes what stands on its standard input, a line a record. */
  readonly feeds?: boolean
}

export interface Family {
  readonly partitions: number
  /** Writes `rate` records a second at most, until it is told to stop. */
  writer(address: string, topic: string, rate: number): Command
  /** What the lines of one writer mean, in the order they came. */
  writerLines(topic: string): (line: string) => WriterLine | undefined
  reader(address: string, topic: string, group: string): Command
  /** The number of the record that a line of a reader tells of. */
  seen(line: string): number | undefined
}

/** Takes what the families need; throws when the machine lacks it, with the way to mend it. */
export async function families(): Promise<Readonly<Record<FamilyName, Family>>> {
  if (spawnSync('kcat', ['-V']).status !== 0) {
    throw new Error('there is no kcat: install it (Debian: kcat)')
  }
  return {
    java: javaFamily(await kafkaJars()),
    librdkafka,
    kafkajs: javascriptFamily('kafkajs'),
    platformatic: javascriptFamily('platformatic'),
  }
}

/** What `numberOf` reads again. */
export function valueOf(topic: string, number: number): string {
  return `${topic}.${number}`
}

export function numberOf(value: string): number {
  return Number(value.slice(value.lastIndexOf('.') + 1))
}

function javaFamily(jars: string): Family {
  const run = (tool: string, args: readonly string[]): Command => {
    const mainClass = `org.apache.kafka.tools.${tool}`
    return {
      file: java,
      args: ['-Xmx256m', logOption, '-cp', join(jars, '*'), mainClass, ...args],
    }
  }
  return {
    partitions: 3,
    writer: (address, topic, rate) => {
      const what = ['--topic', topic, '--value-prefix', '1', '--throughput', `${rate}`]
      const args = ['--bootstrap-server', address, ...what, '--max-messages', '-1', '--acks', '-1']
      const config = ['--command-config', join(import.meta.dirname, 'producer.properties')]
      return run('VerifiableProducer', [...args, ...config])
    },
    writerLines: () => (line) => {
      const said = jsonOf(line)
      if (said?.['name'] === 'producer_send_error') return { kind: 'given-up', text: line }
      if (said?.['name'] !== 'producer_send_success') return undefined
      const { value, partition, offset } = said as Readonly<Record<string, string>>
      const placed = {
        number: numberOf(value!),
        partition: Number(partition),
        offset: Number(offset),
      }
      return { kind: 'acknowledged', placed }
    },
    reader: (address, topic, group) => {
      const from = ['--topic', topic, '--group-id', group, '--reset-policy', 'earliest']
      const how = ['--verbose', '--enable-autocommit']
      return run('VerifiableConsumer', ['--bootstrap-server', address, ...from, ...how])
    },
    seen: (line) => {
      const said = jsonOf(line)
      return said?.['name'] === 'record_data' ? numberOf(String(said['value'])) : undefined
    },
  }
}

const librdkafka: Family = {
  // One, as kcat says in which order records of a partition were delivered, and not which they were.
  partitions: 1,
  writer: (address, topic) => {
    const settings = ['enable.idempotence=true', 'topic.produce.offset.report=true', 'linger.ms=5']
    // -E: it does not end when no broker is there for a moment.
    const to = ['-P', '-u', '-E', '-vvv', '-b', address, '-t', topic, '-p', '0']
    return { file: 'kcat', args: [...to, ...settings.flatMap((each) => ['-X', each])], feeds: true }
  },
  writerLines: () => {
    let number = 0
    return (line) => {
      if (line.includes('Delivery failed'))
        return { kind: 'given-up', text: `${++number}: ${line}` }
      const said = /^% Message delivered to partition (\d+) \(offset (\d+)\)/.exec(line)
      if (said === null) return undefined
      const [, partition, offset] = said.map(Number)
      const placed = { number: number++, partition: partition!, offset: offset! }
      return { kind: 'acknowledged', placed }
    }
  },
  reader: (address, topic, group) => {
    const args = ['-b', address, '-u', '-E', '-f', '%s\n', '-X', 'auto.offset.reset=earliest']
    return { file: 'kcat', args: [...args, '-G', group, topic] }
  },
  seen: (line) => (/^\w+\.\d+$/.test(line) ? numberOf(line) : undefined),
}

function javascriptFamily(name: 'kafkajs' | 'platformatic'): Family {
  const client = join(import.meta.dirname, 'javascript-client.ts')
  const run = (...args: readonly string[]): Command => {
    return { file: process.execPath, args: [client, name, ...args] }
  }
  return {
    partitions: javascriptPartitions,
    writer: (address, topic, rate) => run('write', address, topic, `${rate}`),
    writerLines: () => (line) => {
      const [what, ...numbers] = line.split(' ')
      if (what === 'given-up') return { kind: 'given-up', text: line }
      if (what !== 'acknowledged') return undefined
      const [number, partition, offset] = numbers.map(Number)
      return {
        kind: 'acknowledged',
        placed: { number: number!, partition: partition!, offset: offset! },
      }
    },
    reader: (address, topic, group) => run('read', address, topic, group),
    seen: (line) => (line.startsWith('seen ') ? numberOf(line) : undefined),
  }
}

function jsonOf(line: string): Readonly<Record<string, unknown>> | undefined {
  return line.startsWith('{') ? (JSON.parse(line) as Readonly<Record<string, unknown>>) : undefined
}
