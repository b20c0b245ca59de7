import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { Writer } from '../base/bytes.ts'

/** Protobuf bytes of messages of one type, and back. */
export interface Codec<S extends DescMessage = DescMessage> {
  /** Appends the message's bytes. Fields that an initializer leaves out take their default. */
  encode(message: MessageInitShape<S>, writer: Writer): void
  /** The message in `bytes[start, end)`, the same object protobuf-es would make of them. */
  decode(bytes: Uint8Array, start?: number, end?: number): MessageShape<S>
}

export function compileCodec<S extends DescMessage>(message: S): Codec<S> {
  return {
    encode: (value, writer) => writer.append(toBinary(message, create(message, value))),
    decode: (bytes, start = 0, end = bytes.length) =>
      fromBinary(message, bytes.subarray(start, end)),
  }
}
