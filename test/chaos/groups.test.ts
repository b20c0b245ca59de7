/** The streams suite on the embedded broker: groups that misbehave. */
import { misbehavingGroupsSuite } from '../streams-suite/misbehaving-groups.ts'
import { embeddedPlace } from '../unit/streams/suite/embedded-place.ts'

misbehavingGroupsSuite(embeddedPlace)
