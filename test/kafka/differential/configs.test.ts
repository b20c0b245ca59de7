/** Settings: described with their sources, replaced, and edited one by one. */
import { errorName } from '../../../src/protocol/errors.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

const topicType = 2
const brokerType = 4

async function describe(
  side: Side,
  name: string,
  keys: string[] | null,
  version = 4,
  synonyms = false,
) {
  await side.ask('DescribeConfigs', version, {
    resources: [{ resourceType: topicType, resourceName: name, configurationKeys: keys }],
    includeSynonyms: synonyms,
  })
}

async function edit(
  side: Side,
  resourceName: string,
  edits: readonly (readonly [string, number, string | null])[],
  o: { validateOnly?: boolean; resourceType?: number; version?: number; aside?: boolean } = {},
) {
  const { resourceType = topicType, validateOnly = false, version = 1 } = o
  const configs = edits.map(([name, configOperation, value]) => ({ name, configOperation, value }))
  const resources = [{ resourceType, resourceName, configs }]
  const request = { resources, validateOnly }
  const { responses } = await side.ask('IncrementalAlterConfigs', version, request, o)
  await side.settled()
  return errorName(responses[0]?.errorCode ?? 0)
}

async function replace(
  side: Side,
  resourceName: string,
  values: Record<string, string | null>,
  resourceType = topicType,
  validateOnly = false,
) {
  const configs = Object.entries(values).map(([name, value]) => ({ name, value }))
  const resources = [{ resourceType, resourceName, configs }]
  await side.ask('AlterConfigs', 2, { resources, validateOnly })
  await side.settled()
}

const set = 0
const remove = 1
const append = 2
const subtract = 3
const shown = [
  'retention.bytes',
  'cleanup.policy',
  'max.message.bytes',
  'min.cleanable.dirty.ratio',
]

family('configs', (rule) => {
  rule('every setting of a topic is described, with its type and source', async (side) => {
    const name = await side.topic({
      configs: { 'retention.ms': '1000', 'retention.bytes': '5000' },
    })
    const answer = await side.ask(
      'DescribeConfigs',
      4,
      {
        resources: [{ resourceType: topicType, resourceName: name, configurationKeys: null }],
        includeSynonyms: true,
      },
      { aside: true },
    )
    const all = answer.results[0]!.configs.toSorted((one, other) =>
      one.name < other.name ? -1 : 1,
    )
    for (const config of all) {
      const { name: setting, value, configType, configSource, readOnly, isSensitive } = config
      const source = setting === 'min.insync.replicas' ? 0 : configSource
      side.note(setting, [value, configType, source, readOnly, isSensitive].join())
      if (source !== configSource) side.differs('the source of min.insync.replicas', configSource)
    }
    for (const version of [1, 2, 3, 4]) await describe(side, name, shown, version)
    await describe(side, name, ['retention.ms', 'no.such.config'], 4)
  })

  rule('records are kept for a time, or for ever', async (side) => {
    const name = await side.topic()
    const resource = {
      resourceType: topicType,
      resourceName: name,
      configurationKeys: ['retention.ms'],
    }
    const answer = await side.ask('DescribeConfigs', 4, { resources: [resource] }, { aside: true })
    side.differs('how long records are kept', answer.results[0]?.configs[0]?.value)
  })

  rule('synonyms say where a value comes from', async (side) => {
    const name = await side.topic({ configs: { 'retention.bytes': '5000' } })
    await describe(side, name, shown, 4, true)
  })

  rule('unknown topics have no settings', async (side) => {
    const name = side.called('missing')
    await describe(side, name, null)
    await edit(side, name, [['retention.bytes', set, '1']])
    await replace(side, name, { 'retention.bytes': '1' })
    await describe(side, 'bad/name', null)
    await describe(side, '', null)
    await edit(side, 'bad/name', [['retention.bytes', set, '1']])
    await edit(side, '', [['retention.bytes', set, '1']])
  })

  rule('single settings are set and unset', async (side) => {
    const name = await side.topic()
    for (const version of [0, 1]) {
      await edit(side, name, [['retention.bytes', set, `${5000 + version}`]], { version })
      await describe(side, name, shown)
      await edit(side, name, [['retention.bytes', remove, null]], { version })
      await describe(side, name, shown)
    }
    await edit(side, name, [['retention.bytes', remove, null]])
    await edit(side, name, [['retention.bytes', set, null]])
    await edit(side, name, [
      ['retention.bytes', set, '1'],
      ['max.message.bytes', set, '10'],
    ])
    await describe(side, name, shown)
  })

  rule('lists are appended to and subtracted from', async (side) => {
    const name = await side.topic()
    for (const [operation, value] of [
      [append, 'compact'],
      [append, 'compact'],
      [subtract, 'delete'],
      [subtract, 'delete'],
      [append, 'delete,compact'],
      [append, 'burn'],
      [subtract, 'burn'],
    ] as const) {
      await edit(side, name, [['cleanup.policy', operation, value]])
      await describe(side, name, ['cleanup.policy'])
    }
    await edit(side, name, [['retention.bytes', append, '5']])
    await edit(side, name, [['retention.bytes', subtract, '5']])
    await edit(side, name, [['cleanup.policy', append, null]])
  })

  rule('wrong edits change nothing', async (side) => {
    const name = await side.topic()
    await edit(side, name, [['retention.bytes', set, 'soon']])
    await edit(side, name, [
      ['max.message.bytes', set, '10'],
      ['retention.bytes', set, 'soon'],
    ])
    await edit(side, name, [['no.such.config', set, '1']])
    await edit(side, name, [['no.such.config', remove, null]])
    await edit(side, name, [['', set, '1']])
    const none = await edit(side, name, [['retention.bytes', 9, '1']], { aside: true })
    side.differs('an edit that is none', none)
    await edit(side, name, [
      ['retention.bytes', set, '1'],
      ['retention.bytes', set, '2'],
    ])
    await edit(side, name, [
      ['retention.bytes', set, '1'],
      ['retention.bytes', remove, null],
    ])
    await edit(side, name, [])
    await describe(side, name, shown)
  })

  rule('a dry run checks and changes nothing', async (side) => {
    const name = await side.topic()
    await edit(side, name, [['retention.bytes', set, '1']], { validateOnly: true })
    await edit(side, name, [['retention.bytes', set, 'soon']], { validateOnly: true })
    await replace(side, name, { 'retention.bytes': '1' }, topicType, true)
    await replace(side, name, { 'retention.bytes': 'soon' }, topicType, true)
    await describe(side, name, shown)
  })

  rule('AlterConfigs replaces all settings', async (side) => {
    const name = await side.topic({
      configs: { 'retention.bytes': '1000', 'cleanup.policy': 'compact' },
    })
    await replace(side, name, { 'max.message.bytes': '5000' })
    await describe(side, name, shown)
    await replace(side, name, { 'retention.bytes': 'soon' })
    await replace(side, name, { 'no.such.config': '1' })
    await replace(side, name, { 'retention.bytes': null })
    await describe(side, name, shown)
    await replace(side, name, {})
    await describe(side, name, shown)
  })

  rule('a resource given twice is refused', async (side) => {
    const name = await side.topic()
    const resource = { resourceType: topicType, resourceName: name }
    const edits = ['1', '2'].map((value) => ({
      ...resource,
      configs: [{ name: 'retention.bytes', configOperation: set, value }],
    }))
    await side.ask('IncrementalAlterConfigs', 1, { resources: edits })
    await describe(side, name, ['retention.bytes'])
  })

  rule('resources that are no such thing are refused', async (side) => {
    for (const resourceType of [0, 1, 3, 99]) {
      const resource = { resourceType, resourceName: 'a' }
      await side.ask('DescribeConfigs', 4, {
        resources: [{ ...resource, configurationKeys: null }],
      })
      await edit(side, 'a', [['retention.bytes', set, '1']], { resourceType })
      await replace(side, 'a', { 'retention.bytes': '1' }, resourceType)
    }
  })

  rule('a broker is described by its id only', async (side) => {
    const ask = async (resourceName: string, key: string, aside = false) => {
      const resource = { resourceType: brokerType, resourceName, configurationKeys: [key] }
      const answer = await side.ask('DescribeConfigs', 4, { resources: [resource] }, { aside })
      return answer.results[0]?.configs[0]
    }
    for (const key of ['num.partitions', 'broker.id', 'node.id']) {
      for (const resourceName of ['1', '', '9', 'one']) await ask(resourceName, key)
    }
    const creating = await ask('1', 'auto.create.topics.enable', true)
    side.note('auto.create.topics.enable', [creating?.value, creating?.configType])
    side.differs('the source of a setting of the broker', creating?.configSource)
    const kept = await ask('1', 'log.retention.ms', true)
    side.differs('a setting of the broker nobody made', kept?.value)
    await edit(side, '9', [['log.retention.ms', set, '1']], { resourceType: brokerType })
    await edit(side, 'one', [['log.retention.ms', set, '1']], { resourceType: brokerType })
    await edit(side, '1', [['log.retention.ms', set, 'soon']], { resourceType: brokerType })
    await edit(side, '1', [['node.id', set, '7']], { resourceType: brokerType })
  })
})
