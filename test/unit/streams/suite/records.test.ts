/** The streams suite on the embedded broker: what services make of records, times and long backlogs. */
import { backlogsSuite } from '../../../streams-suite/backlogs.ts'
import { callsSuite } from '../../../streams-suite/calls.ts'
import { failuresSuite } from '../../../streams-suite/failures.ts'
import { operatorsSuite } from '../../../streams-suite/operators.ts'
import { timesSuite } from '../../../streams-suite/times.ts'
import { embeddedPlace } from './embedded-place.ts'

operatorsSuite(embeddedPlace)
failuresSuite(embeddedPlace)
callsSuite(embeddedPlace)
timesSuite(embeddedPlace)
backlogsSuite(embeddedPlace)
