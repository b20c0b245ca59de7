/** Sending on a real Kafka node: the same bodies as on our broker. */
import assert from 'node:assert/strict'
import { kafka } from '../../src/client/security/kafka.ts'
import { sendingAwaySuite } from '../streams-suite/sending-away.ts'
import { sendingSuite } from '../streams-suite/sending.ts'
import { emptyPlace } from './empty-place.ts'

const port = Number(process.env['KAFKA_BOOTSTRAP']?.split(':')[1])
assert.ok(port, 'KAFKA_BOOTSTRAP is not set; run these tests by npm run test:kafka')

const broker = kafka(`127.0.0.1:${port}`)

const openPlace = () => emptyPlace(broker)

sendingSuite(openPlace)
sendingAwaySuite(openPlace)
