/** Signing in on a connection: in order, refused for good, and again before the time is over (KIP-368). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { utf8Bytes, utf8String } from '../../../../src/base/bytes.ts'
import type { HeadwaterError } from '../../../../src/base/errors.ts'
import { Connection } from '../../../../src/client/cluster/connection.ts'
import { kafka } from '../../../../src/client/security/kafka.ts'
import type { Sasl, TokenProvider } from '../../../../src/client/security/sasl.ts'
import { nodeClock, nodeRandom } from '../../../../src/io/node-clock.ts'
import type { Dial } from '../../../../src/io/ports.ts'
import { ErrorCode } from '../../../../src/protocol/errors.ts'
import { encodeResponse } from '../../../../src/protocol/frame.ts'
import { keepAwake, until } from '../../../client-suite/peer.ts'
import type { Asked, ScriptedBroker } from '../scripted-broker.ts'
import { scriptedBroker } from '../scripted-broker.ts'

keepAwake()

const user = kafka('kafka://alice:hush@one:1?sasl=plain').sasl!

function open(
  dial: Dial,
  sasl: Sasl | 'nobody' = user,
  requestTimeoutMs = 5_000,
): Promise<Connection> {
  const parts = { dial, clock: nodeClock, random: nodeRandom, requestTimeoutMs }
  return Connection.open({
    ...parts,
    ...(sasl !== 'nobody' && { sasl }),
    host: 'one',
    port: 1,
    clientId: 'test',
  })
}

/** What a broker answers that lets everybody in, for so long. */
function lettingIn(sessionLifetimeMs = 0) {
  return {
    SaslHandshake: () => ({ mechanisms: ['PLAIN', 'OAUTHBEARER'] }),
    SaslAuthenticate: () => ({ sessionLifetimeMs }),
  }
}

function tokenOf(token: TokenProvider): Sasl {
  return kafka('one:1', { sasl: { mechanism: 'OAUTHBEARER', token } }).sasl!
}

function said({ asked }: ScriptedBroker): string[] {
  return asked
    .filter(({ api }) => api === 'SaslAuthenticate')
    .map(({ body }) => utf8String((body as Asked<'SaslAuthenticate'>['body']).authBytes))
}

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }

describe('signing in', () => {
  it('comes before everything but the versions', async () => {
    const broker = scriptedBroker({ ...lettingIn(), Heartbeat: () => ({}) })
    const connection = await open(broker.dial)
    await connection.request('Heartbeat', heartbeat)
    assert.deepEqual(
      broker.asked.map(({ api }) => api),
      ['ApiVersions', 'SaslHandshake', 'SaslAuthenticate', 'Heartbeat'],
    )
    assert.deepEqual(said(broker), ['\0alice\0hush'])
    connection.close()
  })

  for (const [what, answers, message] of [
    [
      'a mechanism that is not offered, with those that are',
      { SaslHandshake: () => ({ errorCode: 33, mechanisms: ['SCRAM-SHA-512', 'X'] }) },
      /does not take PLAIN; it offers SCRAM-SHA-512, X: .*\?sasl=scram-sha-512/,
    ],
    [
      'where nobody is asked who they are',
      { SaslHandshake: () => ({ errorCode: 34 }) },
      /does not ask who its clients are .* leave out user and sasl/,
    ],
    [
      'a wrong password, with what the broker says',
      { ...lettingIn(), SaslAuthenticate: () => ({ errorCode: 58, errorMessage: 'no such luck' }) },
      /'alice' by PLAIN: no such luck \(SASL_AUTHENTICATION_FAILED\); it offers PLAIN, OAUTHBEARER: correct the user/,
    ],
  ] as const) {
    it(`is refused for good: ${what}`, async () => {
      const broker = scriptedBroker(answers)
      await assert.rejects(open(broker.dial), (error: HeadwaterError) => {
        assert.equal(error.code, 'authentication-failed')
        assert.equal(error.retriable, false)
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /hush/)
        return true
      })
    })
  }

  it('goes no further with a broker that asks on and on', async () => {
    const sasl: Sasl = {
      mechanism: 'PLAIN',
      username: 'a',
      begin: async () => ({ first: utf8Bytes('?'), answer: async () => utf8Bytes('?') }),
    }
    const broker = scriptedBroker(lettingIn())
    await assert.rejects(open(broker.dial, sasl), {
      code: 'authentication-failed',
      message: /on and on/,
    })
    assert.equal(said(broker).length, 4)
  })

  it('hints at it where a broker hangs up on whoever has not', async () => {
    const broker = scriptedBroker({
      Heartbeat: ({ duplex }: Asked) => {
        duplex.close()
        return undefined
      },
    })
    const connection = await open(broker.dial, 'nobody')
    await assert.rejects(connection.request('Heartbeat', heartbeat), {
      code: 'connection-lost',
      message: /asks who its clients are, write kafka:\/\/USER@/,
    })
  })
})

describe('signing in again', () => {
  it('happens in time, and what comes meanwhile waits', async () => {
    let release: (() => void) | undefined
    let signIns = 0
    const broker = scriptedBroker({
      ...lettingIn(),
      SaslAuthenticate: () => ({ sessionLifetimeMs: signIns++ === 0 ? 200 : 0 }),
      SaslHandshake: (asked: Asked) => {
        if (signIns === 0) return { mechanisms: ['PLAIN'] }
        const { duplex, version, correlationId } = asked
        const answer = encodeResponse('SaslHandshake', version, correlationId, {
          mechanisms: ['PLAIN'],
        })
        release = () => void duplex.write(answer)
        return undefined
      },
      Heartbeat: () => ({}),
    })
    const connection = await open(broker.dial)
    const from = performance.now()
    await until(() => release !== undefined, 'it signs in again')
    const afterMs = performance.now() - from
    assert.ok(afterMs >= 165 && afterMs < 1_000, `after ${afterMs} ms`)
    const meanwhile = connection.request('Heartbeat', heartbeat)
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.equal(broker.asked.at(-1)!.api, 'SaslHandshake')
    release!()
    await meanwhile
    assert.deepEqual(
      broker.asked.slice(-3).map(({ api }) => api),
      ['SaslHandshake', 'SaslAuthenticate', 'Heartbeat'],
    )
    assert.equal(connection.isClosed, false)
    connection.close()
  })

  it('that fails ends the connection, and what comes then may be tried on another', async () => {
    let signIns = 0
    const errorCode = ErrorCode.SASL_AUTHENTICATION_FAILED
    const broker = scriptedBroker({
      ...lettingIn(),
      SaslAuthenticate: () => (signIns++ === 0 ? { sessionLifetimeMs: 50 } : { errorCode }),
    })
    const connection = await open(broker.dial)
    await until(() => connection.isClosed, 'it is closed')
    await assert.rejects(connection.request('Heartbeat', heartbeat), {
      code: 'connection-lost',
      retriable: true,
      message: /could not be renewed: .*SASL_AUTHENTICATION_FAILED/,
    })
  })
})

describe('a password that is no text', () => {
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256'] as const) {
    it(`is not sent, and not shown, by ${mechanism}`, async () => {
      const broker = scriptedBroker(lettingIn())
      const password = () => 12345 as unknown as string
      const { sasl } = kafka('one:1', { sasl: { mechanism, username: 'alice', password } })
      await assert.rejects(open(broker.dial, sasl), (error: Error) => {
        assert.match(error.message, /the password function failed: what it gave is no text/)
        assert.doesNotMatch(inspect(error), /12345/)
        return (error as HeadwaterError).retriable
      })
      assert.deepEqual(said(broker), [])
    })
  }

  it('ends the connection when it comes at a sign-in anew', async () => {
    let asked = 0
    const password = () => (asked++ === 0 ? 'a' : (undefined as unknown as string))
    const { sasl } = kafka('one:1', { sasl: { mechanism: 'PLAIN', username: 'alice', password } })
    const connection = await open(scriptedBroker(lettingIn(50)).dial, sasl)
    await until(() => connection.isClosed, 'it is closed')
  })
})

describe('a sign-in that hangs', () => {
  const never = (): Promise<never> => new Promise(() => undefined)
  const late = (message: RegExp) => ({ code: 'connection-failed', retriable: true, message })

  for (const [what, sasl, message] of [
    [
      'at a password function',
      kafka('one:1', { sasl: { mechanism: 'PLAIN', username: 'alice', password: never } }).sasl!,
      /'alice' by PLAIN: the password function gave nothing within 100 ms/,
    ],
    [
      'at a token provider',
      tokenOf(never),
      /by OAUTHBEARER: the token provider gave nothing within 100 ms/,
    ],
    [
      'at an answer of its mechanism',
      { ...user, begin: async () => ({ first: utf8Bytes('?'), answer: never }) },
      /by PLAIN: the mechanism found no answer within 100 ms/,
    ],
  ] as const) {
    it(`${what} ends in the time of a request`, async () => {
      const { dial } = scriptedBroker(lettingIn())
      await inTime(assert.rejects(open(dial, sasl, 100), late(message)))
    })
  }

  it('ends in the time of one request, however often its mechanism answers', async () => {
    const slow = async () => {
      await new Promise((resolve) => setTimeout(resolve, 70))
      return utf8Bytes('?')
    }
    const sasl = { ...user, begin: async () => ({ first: utf8Bytes('?'), answer: slow }) }
    const { dial } = scriptedBroker(lettingIn())
    await assert.rejects(open(dial, sasl, 100), late(/found no answer within 100 ms/))
  })

  it('when it is renewed ends what waits for it, and the connection', async () => {
    let begun = 0
    const sasl: Sasl = {
      ...user,
      begin: (random) => (++begun === 1 ? user.begin(random) : never()),
    }
    const broker = scriptedBroker({ ...lettingIn(100), Heartbeat: () => ({}) })
    const connection = await open(broker.dial, sasl, 150)
    await until(() => begun === 2, 'it signs in again')
    const waiting = assert.rejects(connection.request('Heartbeat', heartbeat), {
      code: 'connection-lost',
      retriable: true,
      message: /could not be renewed: .*the password function gave nothing within 150 ms/,
    })
    await inTime(waiting)
    assert.ok(connection.isClosed)
  })

  it('is not shared any longer: the provider is asked anew, and a late token is not kept', async () => {
    const answers: ((token: { value: string; expiresAt: number }) => void)[] = []
    const provider = (): Promise<never> | Promise<{ value: string; expiresAt: number }> =>
      new Promise((resolve) => answers.push(resolve))
    const sasl = tokenOf(provider)
    const broker = scriptedBroker(lettingIn())
    await inTime(assert.rejects(open(broker.dial, sasl, 100), { code: 'connection-failed' }))
    const second = open(broker.dial, sasl)
    await until(() => answers.length === 2, 'the provider is asked anew')
    answers[1]!({ value: 'new', expiresAt: Date.now() + 60_000 })
    ;(await second).close()
    answers[0]!({ value: 'old', expiresAt: Date.now() + 90_000 })
    await new Promise((resolve) => setImmediate(resolve))
    ;(await open(broker.dial, sasl)).close()
    assert.deepEqual(
      said(broker).map((text) => /Bearer (\w+)/.exec(text)![1]),
      ['new', 'new'],
    )
  })
})

/** What hangs fails here, and not at the time limit of all tests. */
async function inTime(work: Promise<unknown>): Promise<void> {
  const late = new Promise((resolve) => setTimeout(resolve, 2_000, 'late').unref())
  assert.notEqual(await Promise.race([work, late]), 'late', 'it ends within 2 s')
}

describe('a token', () => {
  it('is asked for at each sign-in when nobody knows its end', async () => {
    let asked = 0
    const sasl = tokenOf(() => `t${++asked}`)
    const broker = scriptedBroker(lettingIn())
    for (const _ of [1, 2]) (await open(broker.dial, sasl)).close()
    assert.deepEqual(
      said(broker),
      ['t1', 't2'].map((t) => `n,,\x01auth=Bearer ${t}\x01\x01`),
    )
  })

  it('is kept for 80 % of its time, and asked for once by all who sign in together', async () => {
    let asked = 0
    const sasl = tokenOf(async () => {
      asked++
      return {
        value: `t${asked}`,
        expiresAt: Date.now() + 1_000,
        extensions: { logicalCluster: 'x' },
      }
    })
    const broker = scriptedBroker(lettingIn())
    const open3 = await Promise.all([1, 2, 3].map(() => open(broker.dial, sasl)))
    for (const each of open3) each.close()
    assert.equal(asked, 1)
    assert.equal(said(broker)[0], 'n,,\x01auth=Bearer t1\x01logicalCluster=x\x01\x01')
    await new Promise((resolve) => setTimeout(resolve, 850))
    ;(await open(broker.dial, sasl)).close()
    assert.equal(asked, 2)
  })

  it('that cannot be had is like a broker that is away: it may be had later', async () => {
    const broker = scriptedBroker(lettingIn())
    for (const [provider, message] of [
      [() => Promise.reject(new Error('503')), /the token provider failed: 503/],
      [() => 'two words', /no bearer token/],
      [() => '', /no bearer token/],
    ] as const) {
      await assert.rejects(open(broker.dial, tokenOf(provider)), {
        code: 'connection-failed',
        retriable: true,
        message,
      })
    }
    assert.deepEqual(said(broker), [])
  })

  it('that is refused by the mechanism itself says why', async () => {
    const broker = scriptedBroker({
      ...lettingIn(),
      SaslAuthenticate: () => ({ authBytes: utf8Bytes('{"status":"invalid_token"}') }),
    })
    await assert.rejects(
      open(
        broker.dial,
        tokenOf(() => 't'),
      ),
      {
        code: 'authentication-failed',
        message: /the token is refused \({"status":"invalid_token"}\)/,
      },
    )
    assert.equal(said(broker)[1], '\x01')
  })
})
