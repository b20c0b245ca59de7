/** The named bound of what the transactions machine holds is kept. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import type { TransactionsCommand } from '../../../src/coordinator/commands.ts'
import { transactionsMachine } from '../../../src/coordinator/transactions/machine.ts'
import { transactionsDefaults } from '../../../src/coordinator/transactions/options.ts'
import type { RequestInput, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { decodeRequest, encodeRequest } from '../../../src/protocol/frame.ts'
import { Rehearsal } from './rehearsal.ts'

type TransactionsApi = 'InitProducerId' | 'AddOffsetsToTxn'

function stage(transactionsBytesMax: number) {
  const machine = transactionsMachine({ ...transactionsDefaults, transactionsBytesMax })
  const rehearsal = new Rehearsal(machine, ({ timings: _timings, ...rest }) => rest)
  let tokens = 0
  const ask = <N extends TransactionsApi>(type: N, version: number, input: RequestInput<N>) => {
    const token = `t${tokens++}`
    const frame = concatBytes(encodeRequest(type, version, 0, 'c', input)).subarray(4)
    const decoded = decodeRequest(frame)
    assert('body' in decoded)
    const call = { type, token, version, clientId: 'c', clientHost: '/' }
    rehearsal.run({ ...call, request: decoded.body } as unknown as TransactionsCommand)
    return rehearsal.answers.get(token) as ResponseOf<N>
  }
  const init = (transactionalId: string, transactionTimeoutMs = 60_000) =>
    ask('InitProducerId', 4, { transactionalId, transactionTimeoutMs })
  return { rehearsal, ask, init }
}

test('transactional ids take no more memory than the bound, and those that are there go on', () => {
  const { rehearsal, init } = stage(10_000)
  const codes = Array.from({ length: 12 }, (_, n) => init(`id-${n}`).errorCode)
  assert.deepEqual([codes[0], codes.at(-1)], [ErrorCode.NONE, ErrorCode.POLICY_VIOLATION])
  assert.equal(init('id-0').errorCode, ErrorCode.NONE)
  assert.equal(init('x'.repeat(20_000)).errorCode, ErrorCode.POLICY_VIOLATION)
  rehearsal.restart(true)
  assert.equal(init('id-13').errorCode, ErrorCode.POLICY_VIOLATION, 'a restart makes no room')
  rehearsal.now += transactionsDefaults.transactionalIdExpirationMs
  rehearsal.run({ type: 'wake' })
  assert.equal(rehearsal.state.bytes, 0)
  assert.equal(init('id-13').errorCode, ErrorCode.NONE)
})

test('groups of open transactions take no more memory than the bound', () => {
  const { rehearsal, ask, init } = stage(5_000)
  const { producerId, producerEpoch } = init('id')
  const add = (groupId: string): number => {
    const claim = { transactionalId: 'id', producerId, producerEpoch }
    return ask('AddOffsetsToTxn', 3, { ...claim, groupId }).errorCode
  }
  assert.equal(add('a'.repeat(3_000)), ErrorCode.NONE)
  assert.equal(add('b'.repeat(3_000)), ErrorCode.POLICY_VIOLATION)
  assert.equal(add('a'.repeat(3_000)), ErrorCode.NONE, 'it is in the transaction already')
  rehearsal.restart(true)
  assert.equal(add('b'.repeat(3_000)), ErrorCode.POLICY_VIOLATION)
})
