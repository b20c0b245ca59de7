/** Runs the main classes of Kafka's own command-line tools, without its shell scripts. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { java, kafkaJars, logOption } from './jars.ts'

/** The tools by the names of Kafka's scripts. */
export const kafkaTools = {
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
  configs: 'org.apache.kafka.tools.ConfigCommand',
  'producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  topics: 'org.apache.kafka.tools.TopicCommand',
  transactions: 'org.apache.kafka.tools.TransactionsCommand',
  'verifiable-consumer': 'org.apache.kafka.tools.VerifiableConsumer',
  'verifiable-producer': 'org.apache.kafka.tools.VerifiableProducer',
} as const

export interface ToolRun {
  /** The exit code; null when it was stopped. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a main class, or a tool by name, to its end.
 * @param o.stdin what the tool reads; nothing by default
 * @param o.timeoutMs after which it is stopped; two minutes by default
 */
export async function runKafkaTool(
  mainClass: string,
  args: readonly string[],
  o: { readonly stdin?: string; readonly timeoutMs?: number } = {},
): Promise<ToolRun> {
  const jars = await kafkaJars()
  const named: Readonly<Record<string, string>> = kafkaTools
  const child = spawn(
    java,
    ['-Xmx512m', logOption, '-cp', join(jars, '*'), named[mainClass] ?? mainClass, ...args],
    { stdio: 'pipe', timeout: o.timeoutMs ?? 120_000, killSignal: 'SIGKILL' },
  )
  // A tool may end without reading; what it says then matters more than the broken pipe.
  child.stdin.on('error', () => {})
  child.stdin.end(o.stdin ?? '')
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}
