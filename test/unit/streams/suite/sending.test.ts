/** The streams suite on the embedded broker: events that are sent from outside a topology. */
import { sendingSuite } from '../../../streams-suite/sending.ts'
import { embeddedPlace } from './embedded-place.ts'

sendingSuite(embeddedPlace)
