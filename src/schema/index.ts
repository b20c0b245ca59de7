/** The door to schemas: contracts read from generated descriptors, and the codec of their messages. */
export { Reader, Writer } from '../base/bytes.ts'
export { compileCodec } from './codec.ts'
export type { Codec } from './codec.ts'
export { readContract } from './descriptor.ts'
export type { EventKind, StreamContract } from './descriptor.ts'
export {
  FieldSchema,
  Kind,
  StreamSchema,
  field,
  file_headwater_v1_options,
  stream,
} from './gen/headwater/v1/options_pb.ts'
