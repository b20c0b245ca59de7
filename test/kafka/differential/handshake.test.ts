/** The first frame of a connection, and frames that are wrong. */
import { concatBytes } from '../../../src/base/bytes.ts'
import { decodeResponse, encodeRequest } from '../../../src/protocol/frame.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

const client = { clientSoftwareName: 'headwater-tests', clientSoftwareVersion: '1.0' }

function frame(...bytes: number[]): Uint8Array {
  return Uint8Array.of(0, 0, 0, bytes.length, ...bytes)
}

async function fate(side: Side, what: string, bytes: Uint8Array): Promise<void> {
  const peer = await side.peer()
  side.note(what, await peer.fate(bytes))
}

family('handshake', (rule) => {
  rule('ApiVersions answers in every version', async (side) => {
    for (const version of [0, 1, 2, 3, 4, 5]) {
      const body = version < 3 ? {} : client
      const answer = await side.ask('ApiVersions', version, body, { aside: true })
      side.note(`v${version}`, {
        ...answer,
        apiKeys: [],
        finalizedFeaturesEpoch: 0,
        supportedFeatures: [],
        finalizedFeatures: [],
      })
    }
  })

  rule(
    'a version too new is answered in version 0, with the versions that are known',
    async (side) => {
      for (const version of [6, 99, 32_767]) {
        const peer = await side.peer()
        const bytes = concatBytes(encodeRequest('ApiVersions', 3, 7, 'x', client))
        bytes[6] = version >> 8
        bytes[7] = version & 0xff
        peer.raw.duplex.write([bytes])
        const { correlationId, body } = decodeResponse(
          'ApiVersions',
          0,
          (await peer.raw.receive())!,
        )
        const mine = body.apiKeys.filter(({ apiKey }) => apiKey === 18)
        side.note(`v${version}`, { correlationId, ...body, apiKeys: mine })
      }
    },
  )

  rule(
    'a client that means another broker is sent back to its bootstrap addresses',
    async (side) => {
      const { clusterId, brokers } = await side.ask('Metadata', 12, { topics: [] }, { aside: true })
      const mine = brokers[0]!.nodeId
      for (const nodeId of [-1, mine, mine + 1, -2]) {
        for (const cluster of [null, clusterId, 'another', '']) {
          const body = { ...client, clusterId: cluster, nodeId }
          const answer = await side.ask('ApiVersions', 5, body, { aside: true })
          side.note(`${nodeId - mine} ${cluster === clusterId ? 'mine' : cluster}`, [
            answer.errorCode,
            answer.apiKeys.length > 0,
            answer.finalizedFeatures.length > 0,
          ])
        }
      }
    },
  )

  rule('a client says its name and version properly', async (side) => {
    for (const [clientSoftwareName, clientSoftwareVersion] of [
      ['', '1'],
      ['a', ''],
      ['a b', '1'],
      ['-a', '1'],
      ['a-', '1'],
      ['a.b-c', '1.0-rc'],
      ['ä', '1'],
      ['a', '1;2'],
    ] as const) {
      const names = { clientSoftwareName, clientSoftwareVersion }
      const answer = await side.ask('ApiVersions', 3, names, { aside: true })
      side.note(`${clientSoftwareName} ${clientSoftwareVersion}`, [
        answer.errorCode,
        answer.apiKeys.length > 0,
      ])
    }
  })

  rule('nobody signs in where nobody is asked who they are', async (side) => {
    for (const version of [0, 1]) {
      for (const mechanism of ['PLAIN', 'nothing', '']) {
        const answer = await side.ask('SaslHandshake', version, { mechanism }, { aside: true })
        side.note(`SaslHandshake v${version} ${mechanism}`, answer)
      }
    }
    for (const version of [0, 1, 2]) {
      const authBytes = Uint8Array.of(0, 97, 0, 98)
      const answer = await side.ask('SaslAuthenticate', version, { authBytes }, { aside: true })
      side.note(`SaslAuthenticate v${version}`, { ...answer, errorMessage: null })
    }
  })

  rule('a request nobody speaks ends the connection', async (side) => {
    await fate(side, 'API 999', frame(3, 231, 0, 0, 0, 0, 0, 1, 255, 255))
    await fate(side, 'Metadata v99', frame(0, 3, 0, 99, 0, 0, 0, 1, 255, 255))
    await fate(
      side,
      'Produce v0',
      frame(0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    )
    await fate(
      side,
      'Produce v2',
      frame(0, 0, 0, 2, 0, 0, 0, 1, 255, 255, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    )
    await fate(side, 'Fetch v3', frame(0, 1, 0, 3, 0, 0, 0, 1, 255, 255))
    await fate(side, 'API -1', frame(255, 255, 0, 0, 0, 0, 0, 1, 255, 255))
    await fate(side, 'LeaderAndIsr', frame(0, 4, 0, 0, 0, 0, 0, 1, 255, 255))
  })

  rule('a frame that cannot be read ends the connection', async (side) => {
    await fate(side, 'nothing in it', frame())
    await fate(side, 'half a header', frame(0, 3, 0))
    await fate(side, 'no body', frame(0, 3, 0, 9, 0, 0, 0, 1, 255, 255))
    await fate(side, 'a count beyond the end', frame(0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 0, 0, 4, 0))
    await fate(side, 'a negative length', Uint8Array.of(255, 255, 255, 255, 0, 0))
    await fate(side, 'a length too large', Uint8Array.of(127, 255, 255, 255, 0, 0))
    await fate(side, 'a client id cut off', frame(0, 3, 0, 1, 0, 0, 0, 1, 0, 9, 65))
  })

  rule('bytes after the body, fields unknown and no client id are no fault', async (side) => {
    await fate(side, 'no client id', frame(0, 18, 0, 0, 0, 0, 0, 1, 255, 255))
    await fate(side, 'bytes after the body', frame(0, 18, 0, 0, 0, 0, 0, 1, 255, 255, 0, 1, 2))
    const all = concatBytes(encodeRequest('Metadata', 12, 7, 'x', { topics: null })).subarray(4)
    await fate(side, 'all topics, and librdkafka’s rest', frame(...all, 0, 0, 0))
    await fate(
      side,
      'an unknown tag',
      frame(0, 18, 0, 3, 0, 0, 0, 1, 255, 255, 1, 100, 2, 1, 2, 2, 97, 2, 49, 0),
    )
  })

  rule('answers leave in the order of their requests', async (side) => {
    const topic = await side.topic()
    const peer = await side.peer()
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }]
    const topics = [{ topic, partitions }]
    const first = peer.raw.send('Fetch', 12, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: 1000,
      topics,
    })
    const second = peer.raw.send('Metadata', 12, { topics: [{ name: topic }] })
    const order: number[] = []
    for (const [api, version] of [
      ['Fetch', 12],
      ['Metadata', 12],
    ] as const) {
      order.push(decodeResponse(api, version, (await peer.raw.receive())!).correlationId)
    }
    side.note('in order', order[0] === first && order[1] === second)
  })
})
