/**
 * Kinds of change, and what is true of each: whether the new version reads what the old one wrote (first letter),
 * and the old one what the new one writes (second). `S`: every value is read as what it is. `U`: some value is
 * lost, read as another, or makes the event unreadable. `D`: it depends on who reads.
 */

type Truth = `${'S' | 'U' | 'D'}${'S' | 'U' | 'D'}`

export interface Kind {
  readonly name: string
  readonly truth: Truth
  /** The message's fields. */
  readonly before: string
  readonly after: string
  /** Types beside the message. */
  readonly types?: string | readonly [before: string, after: string]
  /** What the file begins with, proto3 unless said. */
  readonly syntax?: string | readonly [before: string, after: string]
  readonly package?: readonly [before: string, after: string]
}

const proto2 = 'syntax = "proto2";'
const edition = 'edition = "2023";'
const line = 'message Line { int32 n = 1; }'

function same(
  name: string,
  truth: Truth,
  before: string,
  after: string,
  more: Partial<Kind> = {},
): Kind {
  return { name, truth, before, after, ...more }
}

function types(
  name: string,
  truth: Truth,
  fields: string,
  pair: readonly [string, string],
  more: Partial<Kind> = {},
): Kind {
  return { name, truth, before: fields, after: fields, types: pair, ...more }
}

/** One field of each type, `x`. */
function type(from: string, to: string, truth: Truth, more: Partial<Kind> = {}): Kind {
  return {
    name: `${from} to ${to}`,
    truth,
    before: `${from} x = 1;`,
    after: `${to} x = 1;`,
    ...more,
  }
}

const color = 'enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; COLOR_BLUE = 2; }'
const tone = 'enum Tone { TONE_UNSPECIFIED = 0; TONE_LOW = 1; TONE_HIGH = 2; }'
const closed = (values: string) => `enum Color { ${values} }`

const fields: readonly Kind[] = [
  same('add a field', 'SS', 'string a = 1;', 'string a = 1; string b = 2;'),
  same('remove a field', 'SD', 'string a = 1; string b = 2;', 'string a = 1;'),
  same(
    'remove a field, number and name reserved',
    'SD',
    'string a = 1; string b = 2;',
    'string a = 1; reserved 2; reserved "b";',
  ),
  same(
    'remove a field, only its number reserved',
    'SD',
    'string a = 1; string b = 2;',
    'string a = 1; reserved 2;',
  ),
  same('rename a field', 'DD', 'string a = 1;', 'string b = 1;'),
  same(
    'rename a field, declared',
    'SS',
    'string a = 1;',
    'string b = 1 [(headwater.v1.field).renamed_from = "a"];',
  ),
  same(
    'rename a field, declared, and require another of its name',
    'US',
    'optional string a = 1;',
    'optional string b = 1 [(headwater.v1.field).renamed_from = "a"]; required string a = 2;',
    { syntax: proto2 },
  ),
  same('change json_name', 'DD', 'string a = 1;', 'string a = 1 [json_name = "z"];'),
  same('one name, another number', 'UU', 'string a = 1;', 'string a = 2;'),
  same('swap two numbers', 'UU', 'string a = 1; string b = 2;', 'string b = 1; string a = 2;'),
  same('reuse a number for another type', 'UU', 'string a = 1;', 'int32 b = 1;'),
  same('reuse a number for the same type', 'UU', 'string email = 1;', 'string phone = 1;'),
  same(
    'use a reserved number',
    'US',
    'string a = 1; reserved 2; reserved "b";',
    'string a = 1; string c = 2; reserved "b";',
  ),
  same(
    'delete a reservation',
    'DD',
    'string a = 1; reserved 2, 5 to 9;',
    'string a = 1; reserved 5 to 9;',
  ),
]

const scalars: readonly Kind[] = [
  type('int32', 'int64', 'SU'),
  type('int64', 'int32', 'US'),
  type('int32', 'bool', 'US'),
  type('bool', 'int32', 'SU'),
  type('int32', 'uint32', 'UU'),
  type('fixed32', 'sfixed32', 'UU'),
  type('uint32', 'uint64', 'SU'),
  type('int32', 'sint32', 'UU'),
  type('int32', 'fixed32', 'UU'),
  type('int32', 'string', 'UU'),
  type('float', 'double', 'UU'),
  type('int64', 'double', 'UU'),
  type('fixed32', 'float', 'UU'),
  type('Color', 'string', 'UU', { types: color }),
  type('string', 'bytes', 'SU'),
  type('bytes', 'string', 'US'),
  type('Line', 'bytes', 'DU', { types: line }),
  type('string', 'Line', 'UD', { types: line }),
  type('int32', 'Color', 'DS', { types: color }),
  type('Color', 'int32', 'SD', { types: color }),
  type('Color', 'Tone', 'UU', { types: `${color} ${tone}` }),
]

const cardinalities: readonly Kind[] = [
  type('int32', 'repeated int32', 'SU'),
  type('repeated int32', 'int32', 'US'),
  type('optional int32', 'repeated int32', 'SU'),
  type('repeated int32', 'optional int32', 'US'),
  type('string', 'repeated string', 'SU'),
  type('repeated string', 'string', 'US'),
  type('Line', 'repeated Line', 'SU', { types: line }),
  type('repeated Line', 'Line', 'US', { types: line }),
  type('int32', 'optional int32', 'SS'),
  type('optional int32', 'int32', 'DS'),
  same('optional to required', 'US', 'optional int32 x = 1;', 'required int32 x = 1;', {
    syntax: proto2,
  }),
  same('required to optional', 'SU', 'required int32 x = 1;', 'optional int32 x = 1;', {
    syntax: proto2,
  }),
  same(
    'add a required field',
    'US',
    'optional int32 x = 1;',
    'optional int32 x = 1; required int32 y = 2;',
    {
      syntax: proto2,
    },
  ),
  same(
    'remove a required field',
    'SU',
    'optional int32 x = 1; required int32 y = 2;',
    'optional int32 x = 1; reserved 2; reserved "y";',
    { syntax: proto2 },
  ),
  same(
    'change a default',
    'UU',
    'optional int32 x = 1 [default = 5];',
    'optional int32 x = 1 [default = 6];',
    {
      syntax: proto2,
    },
  ),
]

const oneofs: readonly Kind[] = [
  same(
    'one field into a new oneof',
    'SS',
    'string a = 1; string b = 2;',
    'oneof c { string a = 1; } string b = 2;',
  ),
  same(
    'two fields into one new oneof',
    'US',
    'string a = 1; string b = 2;',
    'oneof c { string a = 1; string b = 2; }',
  ),
  same(
    'a field into a oneof that was there',
    'US',
    'string a = 1; oneof c { Line b = 2; }',
    'oneof c { string a = 1; Line b = 2; }',
    { types: line },
  ),
  same(
    'a member out of its oneof',
    'SU',
    'oneof c { string a = 1; string b = 2; string d = 3; }',
    'string a = 1; oneof c { string b = 2; string d = 3; }',
  ),
  same(
    'dissolve a oneof',
    'SU',
    'oneof c { string a = 1; string b = 2; }',
    'string a = 1; string b = 2;',
  ),
  same(
    'dissolve a oneof and change a type in it',
    'UU',
    'oneof c { string a = 1; string b = 2; }',
    'string a = 1; int32 b = 2;',
  ),
  same(
    'add a member to a oneof',
    'SD',
    'oneof c { string a = 1; }',
    'oneof c { string a = 1; string b = 2; }',
  ),
  same(
    'remove a member of a oneof',
    'DS',
    'oneof c { string a = 1; string b = 2; }',
    'oneof c { string a = 1; }',
  ),
  same(
    'remove a member of a oneof, reserved',
    'DS',
    'oneof c { string a = 1; string b = 2; }',
    'oneof c { string a = 1; } reserved 2; reserved "b";',
  ),
  same(
    'rename a oneof',
    'SS',
    'oneof c { string a = 1; string b = 2; }',
    'oneof d { string a = 1; string b = 2; }',
  ),
]

const x = 'Color x = 1;'
const optionalX = { syntax: proto2 }
const enums: readonly Kind[] = [
  types('add a value', 'SD', x, [color, color.replace('}', 'COLOR_PINK = 3; }')]),
  types(
    'add a value to a closed enum',
    'SU',
    'optional Color x = 1;',
    [closed('RED = 1;'), closed('RED = 1; BLUE = 2;')],
    optionalX,
  ),
  types('remove a value', 'DS', x, [color, color.replace('COLOR_BLUE = 2; ', '')]),
  types('remove a value, reserved', 'DS', x, [
    color,
    color.replace('COLOR_BLUE = 2; ', 'reserved 2; reserved "COLOR_BLUE"; '),
  ]),
  types('rename a value', 'DD', x, [color, color.replace('COLOR_BLUE', 'COLOR_NAVY')]),
  types('rename a value, declared', 'SS', x, [
    color,
    color.replace(
      'COLOR_BLUE = 2',
      'COLOR_NAVY = 2 [(headwater.v1.value).renamed_from = "COLOR_BLUE"]',
    ),
  ]),
  types('renumber a value', 'UU', x, [color, color.replace('COLOR_BLUE = 2', 'COLOR_BLUE = 3')]),
  types('renumber a value to be another name of one that was there', 'UU', x, [
    color,
    color.replace('{', '{ option allow_alias = true;').replace('COLOR_BLUE = 2', 'COLOR_BLUE = 1'),
  ]),
  types('swap two values', 'UU', x, [
    color,
    color.replace('RED = 1', 'RED = 9').replace('BLUE = 2', 'BLUE = 1').replace('9', '2'),
  ]),
  types('a new zero', 'UU', x, [
    'enum Color { COLOR_RED = 0; COLOR_BLUE = 1; }',
    'enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; COLOR_BLUE = 2; }',
  ]),
  types('use a reserved value', 'UD', x, [
    color.replace('COLOR_BLUE = 2', 'reserved 2'),
    color.replace('COLOR_BLUE', 'COLOR_PINK'),
  ]),
  types('rename the enum', 'SS', x, [color, color], {
    after: 'Colour x = 1;',
    types: [color, color.replace('enum Color', 'enum Colour')],
  }),
]

const platform = (name: string) => `google.protobuf.${name} x = 1;`
const imported = (file: string) => `import "google/protobuf/${file}.proto";`
const messages: readonly Kind[] = [
  types('add a message', 'SS', 'Line x = 1;', [line, `${line} message Other { int32 a = 1; }`]),
  types('insert a message before another', 'SS', 'Line x = 1;', [
    line,
    `message Other { int32 a = 1; } ${line}`,
  ]),
  types('delete a message that nothing uses', 'DS', 'Line x = 1;', [
    `${line} message Other { int32 a = 1; }`,
    line,
  ]),
  types('rename a message that is used', 'DD', 'Line x = 1;', [line, line.replace('Line', 'Row')], {
    after: 'Row x = 1;',
  }),
  same('nest a message that is used', 'DD', 'Line x = 1;', 'Inner.Line x = 1;', {
    types: [line, `message Inner { ${line} }`],
  }),
  type('Line', 'Other', 'UU', { types: `${line} message Other { string a = 1; }` }),
  same('a type of the platform for another', 'UU', platform('Timestamp'), platform('Duration'), {
    types: [imported('timestamp'), imported('duration')],
  }),
  same(
    'an own type to one of the platform that is not alike',
    'UU',
    'Own x = 1;',
    platform('Timestamp'),
    {
      types: ['message Own { string seconds = 1; }', imported('timestamp')],
    },
  ),
  same(
    'an own type to one of the platform that is alike',
    'SS',
    'Own x = 1;',
    platform('Timestamp'),
    {
      types: ['message Own { int64 seconds = 1; int32 nanos = 2; }', imported('timestamp')],
    },
  ),
  types('change a type in a nested message', 'UU', 'Line x = 1;', [
    line,
    'message Line { string n = 1; }',
  ]),
  types('change a type in a message in a list in a map', 'UU', 'map<string, Box> x = 1;', [
    `message Box { repeated Line lines = 1; } ${line}`,
    'message Box { repeated Line lines = 1; } message Line { fixed32 n = 1; }',
  ]),
  type('optional Chicken', 'repeated Chicken', 'SU', {
    syntax: proto2,
    types:
      'message Chicken { required Egg egg = 1; } message Egg { required Chicken chicken = 1; }',
  }),
  types('change a type in a message that holds itself', 'US', 'Tree x = 1;', [
    'message Tree { repeated Tree below = 1; int64 n = 2; }',
    'message Tree { repeated Tree below = 1; int32 n = 2; }',
  ]),
  type('map<string, int32>', 'map<int32, int32>', 'UU'),
  type('map<string, int32>', 'map<string, string>', 'UU'),
  type('map<int32, string>', 'map<int64, string>', 'SU'),
  type('map<string, int32>', 'repeated Entry', 'SU', {
    types: 'message Entry { string key = 1; int32 value = 2; }',
  }),
  type('repeated Entry', 'map<string, int32>', 'US', {
    types: 'message Entry { string key = 1; int32 value = 2; }',
  }),
  type('map<string, Line>', 'repeated Entry', 'UU', {
    types: [
      `message Entry { string key = 1; Line value = 2; } ${line}`,
      'message Entry { string key = 1; Line value = 2; } message Line { string n = 1; }',
    ],
  }),
  same(
    'a list of entries between marks to a map',
    'UU',
    'repeated Entry x = 1 [features.message_encoding = DELIMITED];',
    'map<string, int32> x = 1;',
    { syntax: edition, types: 'message Entry { string key = 1; int32 value = 2; }' },
  ),
  same(
    'entries with values between marks to a map',
    'UU',
    'repeated Entry x = 1;',
    'map<string, Line> x = 1;',
    {
      syntax: edition,
      types: `message Entry { string key = 1; Line value = 2 [features.message_encoding = DELIMITED]; } ${line}`,
    },
  ),
  type('map<string, google.protobuf.Int32Value>', 'repeated Entry', 'SU', {
    types:
      'import "google/protobuf/wrappers.proto"; ' +
      'message Entry { string key = 1; google.protobuf.Int32Value value = 2; }',
  }),
  type('map<string, int32>', 'string', 'UU'),
  type('optional bool', 'optional Known', 'UU', {
    syntax: proto2,
    types: 'enum Known { NONE = 2; SOME = 1; }',
    before: 'optional bool x = 1 [default = true];',
    after: 'optional Known x = 1 [default = SOME];',
  }),
  type('optional Only', 'optional string', 'UU', {
    syntax: proto2,
    types: 'enum Only { ONLY = 0; }',
  }),
  same('rename the package', 'DD', 'string a = 1;', 'string a = 1;', {
    package: ['shop', 'store'],
  }),
]

const files: readonly Kind[] = [
  same('change java_package', 'SS', 'string a = 1;', 'string a = 1;', {
    types: ['', 'option java_package = "com.shop";'],
  }),
  same(
    'pack a list otherwise',
    'SS',
    'repeated int32 a = 1;',
    'repeated int32 a = 1 [packed = false];',
  ),
  same('deprecate a field', 'SS', 'string a = 1;', 'string a = 1 [deprecated = true];'),
  same('change a comment', 'SS', 'string a = 1; // one', 'string a = 1; // another'),
  same('reorder fields', 'SS', 'string a = 1; int32 b = 2;', 'int32 b = 2; string a = 1;'),
  same(
    'proto3 to an edition of the same features',
    'SS',
    'string a = 1; optional int32 b = 2;',
    'string a = 1 [features.field_presence = IMPLICIT]; int32 b = 2;',
    {
      syntax: ['syntax = "proto3";', edition],
    },
  ),
  same(
    'LENGTH_PREFIXED to DELIMITED',
    'UU',
    'Line x = 1;',
    'Line x = 1 [features.message_encoding = DELIMITED];',
    {
      syntax: edition,
      types: line,
    },
  ),
  types(
    'close an enum',
    'US',
    x,
    [color, color.replace('{', '{ option features.enum_type = CLOSED;')],
    {
      syntax: edition,
    },
  ),
]

export const kinds: readonly Kind[] = [
  ...fields,
  ...scalars,
  ...cardinalities,
  ...oneofs,
  ...enums,
  ...messages,
  ...files,
]
