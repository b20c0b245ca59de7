/** Mutants of how fresh answers are, of feeds of changes, and of what other instances are asked. */
import type { Mutant } from './mutant.ts'

const feeds = ['test/unit/query/changes.test.ts']
const written = ['test/unit/query/read-your-write.test.ts']
const lagging = ['test/unit/query/max-lag.test.ts']
const views = ['test/unit/streams/view-reader.test.ts']
const routing = ['test/unit/query/routing.test.ts']

export const askedMutants: readonly Mutant[] = [
  {
    name: 'waitMsMax',
    file: 'src/streams/views/view-options.ts',
    text: "whole('waitMs', waitMs, waitMsMax)",
    instead: "whole('waitMs', waitMs, Number.MAX_SAFE_INTEGER)",
    tests: written,
  },
  {
    name: 'a wait for an event ends',
    file: 'src/streams/runtime/waiters.ts',
    text: 'this.#waiting.delete(waiter)\n      waiter.settled.resolve()\n    })',
    instead: '})',
    tests: written,
  },
  {
    name: 'what is read and not committed is not there yet',
    file: 'src/streams/views/freshness.ts',
    text: 'return { offset: task.lastCommitted(topic) ?? 0 }',
    instead: 'return { offset: task.queues[0]!.position }',
    tests: written,
  },
  {
    name: 'what follows from an event is waited for behind a rekey',
    file: 'src/streams/views/freshness.ts',
    text: 'await Promise.all(next.map((each) => this.#walk([each, endsOf(each, ends)])))',
    instead: 'void [next, ends]',
    tests: written,
  },
  {
    name: 'the one that is asked by another waits, too',
    file: 'src/query/lists.ts',
    text: '...freshQuery(wanted) })',
    instead: '})',
    tests: written,
  },
  {
    name: 'maxLag',
    file: 'src/streams/views/freshness.ts',
    text: 'if (lag <= maxLag) return',
    instead: 'if (lag >= 0) return',
    tests: lagging,
  },
  {
    name: 'unknown lag is not small',
    file: 'src/streams/views/freshness.ts',
    text: 'if (offsets === undefined) throw this.#unknown()\n    return offsets',
    instead: 'return offsets ?? (() => 0)',
    tests: lagging,
  },
  {
    name: 'bytesMax of an answer',
    file: 'src/io/node-http-ask.ts',
    text: 'if (size > bytesMax) throw',
    instead: 'if (size < 0) throw',
    tests: ['test/unit/io/node-http-ask.test.ts'],
  },
  {
    name: 'answerBytesMax of the typed client',
    file: 'src/streams/asking/ask.ts',
    text: 'timeoutMs, bytesMax: answerBytesMax }',
    instead: 'timeoutMs, bytesMax: answerBytesMax * 8 }',
    tests: ['test/unit/query/client.test.ts'],
  },
  {
    name: 'answerBytesMax of another instance',
    file: 'src/streams/asking/peer.ts',
    text: 'timeoutMs, bytesMax: answerBytesMax }',
    instead: 'timeoutMs, bytesMax: answerBytesMax * 8 }',
    tests: ['test/unit/query/endless.test.ts'],
  },
  {
    name: 'countedPeersMax',
    file: 'src/streams/views/peer-counts.ts',
    text: 'this.#byAddress.size > countedPeersMax',
    instead: 'this.#byAddress.size > 1000 * countedPeersMax',
    tests: ['test/unit/streams/peer-counts.test.ts'],
  },
  {
    name: 'no query port that fetch blocks',
    file: 'src/query/listen.ts',
    text: 'if (o.port !== 0 && isBlockedByFetch(o.port)) throw',
    instead: 'if (o.port < 0) throw',
    tests: ['test/unit/query/server.test.ts'],
  },
  {
    name: 'listLimitMax, in the process',
    file: 'src/streams/views/view-options.ts',
    text: 'limit >= 1 && limit <= listLimitMax',
    instead: 'limit >= 1',
    tests: views,
  },
  {
    name: 'what is too long to be passed on is refused',
    file: 'src/streams/asking/ask.ts',
    text: "['url-too-long', 'input-invalid'],",
    instead: '',
    tests: routing,
  },
  {
    name: 'keys are compared as texts are',
    file: 'src/streams/stores/key-bounds.ts',
    text: 'return isTurned ? b - a : a - b',
    instead: 'return isTurned ? a - b : a - b',
    tests: ['test/unit/streams/key-index.test.ts'],
  },
  {
    name: 'a feed takes no more than its client',
    file: 'src/query/feeds.ts',
    text: '{ highWaterMark: 0 }',
    instead: '{ highWaterMark: 1000 }',
    tests: feeds,
  },
  {
    name: 'a feed lets go of its reader at once',
    file: 'src/streams/asking/shared-view.ts',
    text: 'left.abort()',
    instead: '',
    tests: feeds,
  },
  {
    name: 'a feed ends when its signal says so',
    file: 'src/streams/runtime/feed.ts',
    text: "signal?.addEventListener('abort', leave, { once: true })",
    instead: '',
    tests: feeds,
  },
  {
    name: 'feedsMax',
    file: 'src/streams/runtime/feed.ts',
    text: 'if (this.#open < feedsMax) return',
    instead: 'if (this.#open < 1000 * feedsMax) return',
    tests: feeds,
  },
  {
    name: 'oldBytesMax',
    file: 'src/streams/views/old-values.ts',
    text: 'while (this.#bytes > oldBytesMax) this.#forget()',
    instead: '',
    tests: ['test/unit/streams/old-values.test.ts'],
  },
  {
    name: 'a feed that goes on late says so',
    file: 'src/streams/runtime/feed.ts',
    text: 'isReplaced || from !== wanted',
    instead: 'false',
    tests: feeds,
  },
  {
    name: 'a place in a topic that was made anew is none',
    file: 'src/streams/runtime/feed.ts',
    text: 'isReplaced || wanted > end',
    instead: 'wanted > end',
    tests: feeds,
  },
  {
    name: 'what was compacted away is missing',
    file: 'src/streams/runtime/holes.ts',
    text: 'recordCount <= lastOffsetDelta',
    instead: 'recordCount < 0',
    tests: ['test/unit/streams/holes.test.ts'],
  },
  {
    name: 'a place is of one view',
    file: 'src/streams/views/changes.ts',
    text: 'if (sum === sumOf(of) && isForm)',
    instead: 'if (isForm)',
    tests: feeds,
  },
]
