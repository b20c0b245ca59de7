/** Kafka's own command-line tools, unmodified, against our broker. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { runKafkaTool, type kafkaTools } from '../../scripts/kafka/tool.ts'
import { runBroker, type RunningBroker } from '../conformance/running-broker.ts'

let running: RunningBroker
before(async () => {
  running = await runBroker()
})
after(() => running.close())

describe('the command-line tools of Apache Kafka', () => {
  test('kafka-topics creates, describes, grows, lists and deletes topics', async () => {
    const shape = ['--partitions', '3', '--config', 'retention.ms=86400000']
    await tool('topics', '--create', '--topic', 'grown', ...shape)
    await tool('topics', '--alter', '--topic', 'grown', '--partitions', '5')
    const described = await tool('topics', '--describe', '--topic', 'grown')
    assert.match(described, /PartitionCount: 5\s+ReplicationFactor: 1/)
    assert.match(described, /retention\.ms=86400000/)
    assert.match(described, /Partition: 4\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+/)
    await tool('topics', '--delete', '--topic', 'grown')
    assert.doesNotMatch(await tool('topics', '--list'), /grown/)
  })

  test('kafka-topics is told when a topic exists already', async () => {
    await tool('topics', '--create', '--topic', 'twice')
    const args = ['--bootstrap-server', running.address, '--create', '--topic', 'twice']
    const { code, stdout, stderr } = await runKafkaTool('topics', args)
    assert.equal(code, 1)
    assert.match(stdout + stderr, /TopicExistsException/)
  })

  test('what the console producer writes the console consumer of a group reads once', async () => {
    await tool('topics', '--create', '--topic', 'console', '--partitions', '2')
    const keyed = ['--reader-property', 'parse.key=true', '--compression-codec', 'gzip']
    const lines = Array.from({ length: 50 }, (_, index) => `key-${index % 7}\tvalue ${index}`)
    await toolReading(`${lines.join('\n')}\n`, 'console-producer', '--topic', 'console', ...keyed)

    const group = ['--topic', 'console', '--group', 'readers', '--from-beginning']
    const printing = ['--formatter-property', 'print.key=true', '--timeout-ms', '20000']
    const read = await tool('console-consumer', ...group, ...printing, '--max-messages', '50')
    assert.deepEqual(read.trim().split('\n').toSorted(), lines.toSorted())

    const described = await tool('consumer-groups', '--describe', '--group', 'readers')
    const rows = described.split('\n').filter((line) => line.startsWith('readers'))
    const [committed, ends, lags] = [3, 4, 5].map((column) => sumOf(rows, column))
    assert.deepEqual([rows.length, committed, ends, lags], [2, 50, 50, 0])
  })

  test('kafka-consumer-groups resets the offsets of a group and deletes it', async () => {
    await toolReading('one\ntwo\nthree\n', 'console-producer', '--topic', 'reset')
    const once = ['--topic', 'reset', '--group', 'replay', '--from-beginning']
    const until = ['--max-messages', '3', '--timeout-ms', '20000']
    await tool('console-consumer', ...once, ...until)
    const reset = ['--reset-offsets', '--to-earliest', '--topic', 'reset', '--execute']
    await tool('consumer-groups', ...reset, '--group', 'replay')
    const again = await tool('console-consumer', ...once, ...until)
    assert.deepEqual(again.trim().split('\n').toSorted(), ['one', 'three', 'two'])
    assert.match(await tool('consumer-groups', '--list'), /replay/)
    await tool('consumer-groups', '--delete', '--group', 'replay')
    assert.doesNotMatch(await tool('consumer-groups', '--list'), /replay/)
  })

  test('kafka-producer-perf-test writes with acks=all, and consumer-perf-test reads it', async () => {
    await tool('topics', '--create', '--topic', 'perf', '--partitions', '12')
    const out = await perf('perf', 20_000, 'acks=all', 'compression.type=lz4')
    assert.match(out, /20000 records sent/)
    const read = await tool('consumer-perf-test', '--topic', 'perf', '--num-records', '20000')
    assert.match(read, /, 20000, /)
  })

  test('transactions of kafka-producer-perf-test are read by a read_committed consumer', async () => {
    await tool('topics', '--create', '--topic', 'exactly', '--partitions', '2')
    const transactional = ['--transactional-id', 'perf-id', '--transaction-duration-ms', '20']
    assert.match(await perf('exactly', 2000, ...transactional), /2000 records sent/)
    const isolation = ['--isolation-level', 'read_committed', '--from-beginning']
    const until = ['--max-messages', '2000', '--timeout-ms', '20000']
    const read = await tool('console-consumer', '--topic', 'exactly', ...isolation, ...until)
    assert.equal(read.trim().split('\n').length, 2000)

    assert.match(await tool('transactions', 'list'), /perf-id\s+\S+\s+\d+\s+CompleteCommit/)
    const described = await tool('transactions', 'describe', '--transactional-id', 'perf-id')
    assert.match(described, /perf-id\s.*CompleteCommit/)
    const producers = ['describe-producers', '--topic', 'exactly', '--partition', '0']
    assert.match(await tool('transactions', ...producers), /ProducerId\s+ProducerEpoch/)
  })

  test('every record of the verifiable producer is acknowledged', async () => {
    const limits = ['--topic', 'verified', '--max-messages', '500', '--acks', '-1']
    const out = await tool('verifiable-producer', ...limits)
    assert.match(out, /"sent":500,"acked":500/)
  })

  test('the verifiable consumer gets every one of them and commits', async () => {
    const limits = ['--topic', 'verified', '--group-id', 'verifiers', '--max-messages', '500']
    const out = await tool('verifiable-consumer', ...limits, '--reset-policy', 'earliest')
    const events = out.split('\n').filter((line) => line.includes('"name":"records_consumed"'))
    const counts = events.map((line) => (JSON.parse(line) as { count: number }).count)
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      500,
    )
    assert.match(out, /"name":"offsets_committed".*"success":true/)
  })

  test('kafka-configs changes and shows the configuration of a topic', async () => {
    await tool('topics', '--create', '--topic', 'configured')
    const entity = ['--entity-type', 'topics', '--entity-name', 'configured']
    await tool('configs', '--alter', ...entity, '--add-config', 'retention.ms=1234567')
    assert.match(await tool('configs', '--describe', ...entity), /retention\.ms=1234567/)
    await tool('configs', '--alter', ...entity, '--delete-config', 'retention.ms')
    assert.doesNotMatch(await tool('configs', '--describe', ...entity), /1234567/)
    assert.match(await tool('configs', '--describe', '--all', ...entity), /cleanup\.policy=delete/)
  })

  test('none of it made the broker refuse a connection', () => {
    assert.deepEqual(running.events, [])
  })
})

type Tool = keyof typeof kafkaTools

function tool(name: Tool, ...args: readonly string[]): Promise<string> {
  return toolReading('', name, ...args)
}

/** Runs a tool that must succeed and gives its standard output. */
async function toolReading(stdin: string, name: Tool, ...args: readonly string[]): Promise<string> {
  const to = ['--bootstrap-server', running.address]
  const { code, stdout, stderr } = await runKafkaTool(name, [...to, ...args], { stdin })
  assert.equal(code, 0, `${name} ${args.join(' ')}\n${stdout}\n${stderr}`)
  return stdout
}

async function perf(topic: string, count: number, ...settings: readonly string[]): Promise<string> {
  const properties = settings.filter((setting) => setting.includes('='))
  const options = settings.filter((setting) => !setting.includes('='))
  const size = ['--num-records', String(count), '--record-size', '1024', '--throughput', '-1']
  const to = ['--command-property', `bootstrap.servers=${running.address}`, ...properties]
  const args = ['--topic', topic, ...size, ...options, ...to]
  const { code, stdout, stderr } = await runKafkaTool('producer-perf-test', args)
  assert.equal(code, 0, `${stdout}\n${stderr}`)
  return stdout
}

function sumOf(rows: readonly string[], column: number): number {
  return rows.reduce((sum, row) => sum + Number(row.split(/\s+/)[column]), 0)
}
