/**
 * What a machine may not answer, and a handler not read. `tsc` is the judge, in `npm run check`: a directive
 * whose next line compiles is an error itself.
 */
import type { Coordinators } from '../../src/broker/machines/coordinators.ts'
import { answer, onlyAnswer, type Reply } from '../../src/coordinator/answer.ts'
import type { AutoCreate, Call, EnterTransaction } from '../../src/coordinator/commands.ts'

declare const heartbeat: Call<'Heartbeat'>
declare const commit: Call<'OffsetCommit'>
declare const entering: EnterTransaction
declare const autoCreate: AutoCreate
declare const hosts: Coordinators

answer(heartbeat, { errorCode: 0 })
// @ts-expect-error: a misspelt field
answer(heartbeat, { errorcode: 0 })
// @ts-expect-error: the field of another message beside a right one
answer(heartbeat, { errorCode: 0, producerId: 7 })
// @ts-expect-error: a value of another type
onlyAnswer(heartbeat, { errorCode: '0' })

const partitions = [{ partitionIndex: 0, errorCode: 0 }]
answer(commit, { topics: [{ name: 't', partitions }] })
const misspelt = [{ partitionIndex: 0, errorcode: 0 }]
// @ts-expect-error: misspelt two lists down, and handed over in a variable
answer(commit, { topics: [{ name: 't', partitions: misspelt }] })
const topics = ['t'].map((name) => ({ name, partitoins: partitions }))
// @ts-expect-error: misspelt in what a function gives
answer(commit, { topics })

answer(entering, { errorCode: 0 })
// @ts-expect-error: the answer of another command of the host
answer(entering, { topics: [{ name: 't', errorCode: 0 }] })
// @ts-expect-error: a command's own answers have all their fields
answer(autoCreate, { topics: [{ name: 't' }] })
// @ts-expect-error: nobody waits for the answer to a wake
answer({ type: 'wake', token: 'a' }, {})
// @ts-expect-error: only `answer` makes a reply
const forged: Reply = { to: 'a', response: {} }
void forged

const asked = hosts.groups.call((token) => ({ ...heartbeat, token }))
void asked.then(({ errorCode }) => errorCode)
// @ts-expect-error: a field that the answer does not have
void asked.then(({ producerId }) => producerId)
const { response } = hosts.transactions.ask((token) => ({ ...entering, token }))
void (response.errorCode satisfies number)
// @ts-expect-error: a field that the answer does not have
void response.topics
// @ts-expect-error: a command of another machine
void hosts.topics.call((token) => ({ ...heartbeat, token }))
