/** The streams suite on the embedded broker: events that are sent while it is away. */
import { sendingAwaySuite } from '../../../streams-suite/sending-away.ts'
import { embeddedPlace } from './embedded-place.ts'

sendingAwaySuite(embeddedPlace)
