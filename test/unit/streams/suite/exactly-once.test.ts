/** The streams suite on the embedded broker: crashes anywhere count nothing twice and lose nothing. */
import { exactlyOnceSuite } from '../../../streams-suite/exactly-once.ts'
import { inputsSuite } from '../../../streams-suite/inputs.ts'
import { embeddedPlace } from './embedded-place.ts'

exactlyOnceSuite(embeddedPlace, { crashes: 8 })
inputsSuite(embeddedPlace, { crashes: 8 })
