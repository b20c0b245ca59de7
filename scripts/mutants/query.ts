/** Mutants of what is asked of services: bounds of URLs and lists, and answers that would not be right. */
import type { Mutant } from './mutant.ts'

const port = ['test/unit/io/node-http.test.ts']
const http = ['test/unit/query/http.test.ts']
const lists = ['test/unit/query/lists.test.ts']
const views = ['test/unit/streams/view-reader.test.ts']
const cursors = ['test/unit/streams/cursor.test.ts']

export const queryMutants: readonly Mutant[] = [
  {
    name: 'urlCharsMax',
    file: 'src/query/server.ts',
    text: 'context.req.url.length <= urlCharsMax',
    instead: 'context.req.url.length >= 0',
    tests: http,
  },
  {
    name: 'headBytesMax',
    file: 'src/io/node-http.ts',
    text: '{ maxHeaderSize: headBytesMax }',
    instead: '{ maxHeaderSize: 1 << 30 }',
    tests: http,
  },
  {
    name: 'listLimitMax',
    file: 'src/query/parameters.ts',
    text: 'limit >= 1 && limit <= listLimitMax',
    instead: 'limit >= 1',
    tests: http,
  },
  {
    name: 'listBytesMax, lists',
    file: 'src/query/server.ts',
    text: 'rows.length === limit || total >= listBytesMax',
    instead: 'rows.length === limit',
    tests: lists,
  },
  {
    name: 'rangeWindowsMax, over HTTP',
    file: 'src/query/parameters.ts',
    text: 'if (windows > rangeWindowsMax)',
    instead: 'if (windows < 0)',
    tests: http,
  },
  {
    name: 'rangeWindowsMax, in the process',
    file: 'src/streams/views/local-view.ts',
    text: 'if (windows > rangeWindowsMax) throw',
    instead: 'if (windows < 0) throw',
    tests: views,
  },
  {
    name: 'cursorKeyMax',
    file: 'src/streams/views/cursor.ts',
    text: 'if (text.length < kept) return',
    instead: 'if (text.length >= 0) return',
    tests: cursors,
  },
  {
    name: 'cursorSkipMax',
    file: 'src/streams/views/cursor.ts',
    text: 'if (skip > cursorSkipMax) throw',
    instead: 'if (skip < 0) throw',
    tests: cursors,
  },
  {
    name: 'texts in a cursor are texts',
    file: 'src/streams/views/cursor.ts',
    text: "parts.every((part) => typeof part === 'string')",
    instead: 'parts.length > 0',
    tests: cursors,
  },
  {
    name: 'numbers in a cursor are whole',
    file: 'src/streams/views/cursor.ts',
    text: 'Number.isSafeInteger(part) &&',
    instead: "typeof part === 'number' &&",
    tests: cursors,
  },
  {
    name: 'a cursor is of one listing',
    file: 'src/streams/views/cursor.ts',
    text: 'if (signature !== listing.signature)',
    instead: 'if (signature === undefined)',
    tests: cursors,
  },
  {
    name: 'no answer for a partition that is elsewhere',
    file: 'src/streams/views/view-reader.ts',
    text: 'if (held.some((each) => each.partition === partition)) return undefined',
    instead: 'if (held.length > 0) return undefined',
    tests: views,
  },
  {
    name: 'no answer while partitions move',
    file: 'src/streams/views/view-reader.ts',
    text: "if (state !== 'running') throw",
    instead: "if (state === '') throw",
    tests: views,
  },
  {
    name: 'one answer at a time for a connection',
    file: 'src/io/node-http.ts',
    text: 'if (before === undefined) return answer()',
    instead: 'if (before !== null) return answer()',
    tests: port,
  },
  {
    name: 'stallMsMax of an answer',
    file: 'src/io/node-http.ts',
    text: 'server.timeout = stallMsMax',
    instead: 'server.timeout = stallMsMax * 100',
    tests: port,
  },
  {
    name: 'connectionsMax of a query server',
    file: 'src/io/node-http.ts',
    text: 'const connectionsMax = 1_024',
    instead: 'const connectionsMax = 100_000',
    tests: port,
  },
  {
    name: 'rememberedCharsMax',
    file: 'src/streams/stores/serde.ts',
    text: 'const rememberedCharsMax = 256',
    instead: 'const rememberedCharsMax = 65_536',
    tests: ['test/unit/streams/serde.test.ts'],
  },
]
