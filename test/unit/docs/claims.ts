/** The sentences of the front page, word for word, and the tests that hold each. */

export interface Claim {
  readonly says: string
  /** Files of tests and the names of tests in them. */
  readonly by: readonly (readonly [file: string, test: string])[]
}

const airline = 'test/airline/airline.test.ts'
const clients = 'test/airline/clients.test.ts'
const commands = 'test/unit/cli/commands.test.ts'
const exactlyOnce = 'test/streams-suite/exactly-once.ts'
const frontPage = 'test/unit/docs/front-page.test.ts'
const guide = 'test/guides/from-an-empty-folder.test.ts'
const onKafka = 'test/kafka/airline.test.ts'
const refused = 'test/types/refused.test.ts'
const snippets = 'test/unit/docs/snippets.test.ts'
const crashes = 'test/simulation/clients-crash.test.ts'

const plain =
  'stores the tables of the plain computation, also after a restart and with more flights'
const refusesEach = 'refuses each line of the fixture and no other'

export const claims: readonly Claim[] = [
  {
    says:
      'Event-driven microservices in TypeScript, without the JVM in Docker, the registry, the ' +
      'hand-written consumers and the wiki page of who owns which topic.',
    by: [
      [airline, plain],
      [
        'test/unit/service/graph.test.ts',
        'shows services and streams in order, with writers and readers',
      ],
    ],
  },
  {
    says: 'You write your events once, as Protocol Buffers contracts.',
    by: [
      ['test/unit/events/event.test.ts', 'carries its contract, frozen'],
      [frontPage, 'calls each stream of the example what its contract says'],
    ],
  },
  {
    says:
      'You write each microservice as a typed topology: what it reads, what it writes, and what ' +
      'happens in between.',
    by: [
      [snippets, 'compile'],
      [refused, refusesEach],
    ],
  },
  {
    says:
      'You run all of them in one process on an embedded event broker that speaks the Kafka ' +
      'protocol and acknowledges a record when it is on disk.',
    by: [
      [airline, plain],
      ['test/conformance/versions.test.ts', 'announces every API with the versions in the table'],
      [
        'test/conformance/kafkajs.test.ts',
        'reads back what it wrote, in order per key, compressed or not',
      ],
      [
        'test/conformance/kill.test.ts',
        'has every acknowledged record once after each of several kills',
      ],
      [
        'test/simulation/broker-crash.test.ts',
        'a broker crashed at every call loses no record, topic, offset or half of a transaction',
      ],
    ],
  },
  {
    says:
      'When one machine is too small, the same services run on an Apache Kafka cluster, unchanged: ' +
      'all they are given is another address.',
    by: [
      [onKafka, 'stores the tables of the plain computation'],
      [onKafka, 'goes on with more flights to the same tables, although it is killed on the way'],
    ],
  },
  {
    says:
      'That makes a project which runs at once, and passes its own test: a contract, a service, two ' +
      'HTTP routes, on Node 24.',
    by: [
      [
        guide,
        'does what it says, by npm, and what it made runs where only its own dependencies are',
      ],
      [guide, 'does what it says, by pnpm'],
      [guide, 'says on Node 20 that it needs Node 24'],
    ],
  },
  {
    says:
      'The guide [from an empty folder](docs/guides/from-an-empty-folder.md) takes ten minutes from ' +
      'there.',
    by: [
      [
        guide,
        'does what it says, by npm, and what it made runs where only its own dependencies are',
      ],
    ],
  },
  {
    says: 'On a machine with npm; the right Node comes along:',
    by: [[frontPage, 'promises the Node that comes along']],
  },
  {
    says:
      '`npm start` sends 300,000 real flights of January 2001 through five services on a broker of ' +
      'its own, exactly once, and shows each of them at work:',
    by: [
      [frontPage, 'is right that the first 300,000 flights are of January 2001'],
      [frontPage, 'shows progress as it is drawn'],
      [commands, 'names every flag of every command in its help'],
      [airline, plain],
    ],
  },
  {
    says: 'When all flights are through, it has an answer, and stays up for your questions:',
    by: [
      [frontPage, 'shows the worst airports as the files have them'],
      [clients, 'answers queries, by HTTP and by the typed client'],
      [clients, 'lets kafkajs read the flights'],
      [clients, 'shows its topics and their records on the command line'],
    ],
  },
  {
    says:
      'Stop it with Ctrl-C, or with `kill -9` in the middle: started again, it goes on where it was ' +
      'and ends with the same tables, to the row.',
    by: [
      [airline, 'stops cleanly at Ctrl-C in the middle, and goes on from there'],
      [airline, 'ends with the same tables when it was killed at any moment'],
    ],
  },
  {
    says: '`npm start -- --help` has the flags;',
    by: [[commands, 'names every flag of every command in its help']],
  },
  {
    says: '`--flights 3000000` takes all there are.',
    by: [[commands, 'says how many flights there are when more are asked for']],
  },
  {
    says:
      'This is the whole of the `disruption` service of the example, without the imports of ' +
      '[`examples/airline/disruption.ts`](examples/airline/disruption.ts):',
    by: [[snippets, 'on the front page are what the example does']],
  },
  {
    says:
      '`Flights` is a *keyed* stream (one fact per departure, in order per airport), `Airports` an ' +
      '*entity* stream (what is so now; the last event of a key counts), `Disruptions` an *unkeyed* ' +
      'one (a statement of fact, complete in itself).',
    by: [[frontPage, 'calls each stream of the example what its contract says']],
  },
  {
    says: 'Each has a contract in a `.proto` file and one owner.',
    by: [
      [frontPage, 'calls each stream of the example what its contract says'],
      [
        'test/unit/service/service.test.ts',
        "when it writes another's stream: a stream has one writer",
      ],
    ],
  },
  {
    says:
      "Reading what is not declared, writing another service's stream or joining streams whose keys " +
      'live in different partitions does not compile, and the error is a sentence.',
    by: [
      [refused, refusesEach],
      [refused, 'says a sentence of ours for at least twenty of them'],
    ],
  },
  {
    says: 'Neither does a message that misses a field, or has one of another type, or one too many.',
    by: [[refused, refusesEach]],
  },
  {
    says:
      'What the runtime adds without being asked: one transaction for everything a step brought ' +
      'forth, state that is rebuilt from the broker alone, and a replaced instance that stops and ' +
      'cannot write.',
    by: [
      [exactlyOnce, 'counts exactly after a crash at any of its writes to the broker'],
      [exactlyOnce, 'goes on after a restart where it was'],
      [exactlyOnce, 'stops when another takes its instance id, which goes on alone'],
      [crashes, 'services count exactly, whatever befalls them and the broker'],
    ],
  },
  {
    says: 'Exactly once is the default.',
    by: [[exactlyOnce, 'counts exactly after kills of its process']],
  },
  {
    says: 'There is no authentication, so the broker listens on loopback unless told otherwise.',
    by: [[frontPage, 'is right that the broker listens on loopback unless told otherwise']],
  },
  {
    says: 'Services have tables, stream–table joins and tumbling windows;',
    by: [
      [
        'test/streams-suite/operators.ts',
        'joins, rekeys, windows and counts: the same rows as plain loops',
      ],
      ['test/streams-suite/operators.ts', 'sees a deletion in a table, also after a restart'],
    ],
  },
  {
    says:
      'A record that cannot be processed stops its service with an error that says where it is, or is ' +
      'skipped or kept as a dead letter, as the service says.',
    by: [
      [
        'test/streams-suite/failures.ts',
        'stops at a record that does not decode and names it; other services go on',
      ],
      [
        'test/streams-suite/failures.ts',
        'puts aside what it cannot process, each once, whatever breaks on the way',
      ],
      ['test/streams-suite/failures.ts', 'tells what it discards, with an example, and counts it'],
    ],
  },
  { says: 'Apache-2.0.', by: [[frontPage, 'names the licence of the package']] },
]

/** What only says that something is not there yet: no test holds it, and whoever builds it takes it out. */
export const missing: readonly string[] = [
  'The package is not in the registry yet: the guide says how to make it of a clone.',
  'The broker is one node: for replicas and scale, run the services on Apache Kafka.',
  'Compacted topics are not compacted on our own broker yet: nothing is lost, and nothing is given ' +
    'back; retention by time or size is likewise not carried out.',
  'The new consumer groups (KIP-848), share groups and a schema registry are not there.',
  'stream–stream joins and sessions are still missing.',
  'State lives in memory.',
]
