/** The streams suite on a real Kafka node: the same bodies as on our broker. */
import assert from 'node:assert/strict'
import { kafka } from '../../src/client/security/kafka.ts'
import { callsSuite } from '../streams-suite/calls.ts'
import { exactlyOnceSuite } from '../streams-suite/exactly-once.ts'
import { failuresSuite } from '../streams-suite/failures.ts'
import { identitySuite } from '../streams-suite/identity.ts'
import { inputsSuite } from '../streams-suite/inputs.ts'
import { misbehavingGroupsSuite } from '../streams-suite/misbehaving-groups.ts'
import { operatorsSuite } from '../streams-suite/operators.ts'
import { runningSuite } from '../streams-suite/running.ts'
import { emptyPlace } from './empty-place.ts'
import { timesSuite } from '../streams-suite/times.ts'

const port = Number(process.env['KAFKA_BOOTSTRAP']?.split(':')[1])
assert.ok(port, 'KAFKA_BOOTSTRAP is not set; run these tests by npm run test:kafka')

const broker = kafka(`127.0.0.1:${port}`)

const openPlace = () => emptyPlace(broker)

operatorsSuite(openPlace)
exactlyOnceSuite(openPlace, { crashes: 8 })
inputsSuite(openPlace, { crashes: 6 })
failuresSuite(openPlace)
callsSuite(openPlace)
misbehavingGroupsSuite(openPlace)
identitySuite(openPlace)
runningSuite(openPlace)
timesSuite(openPlace)
