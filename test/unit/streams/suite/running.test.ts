/** The streams suite on the embedded broker: services that run, and services that have changed. */
import { identitySuite } from '../../../streams-suite/identity.ts'
import { runningSuite } from '../../../streams-suite/running.ts'
import { embeddedPlace } from './embedded-place.ts'

identitySuite(embeddedPlace)
runningSuite(embeddedPlace)
