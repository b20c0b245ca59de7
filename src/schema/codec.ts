/**
 * Protobuf bytes of messages, and back: our own codec, compiled once per descriptor to closures.
 *
 * It works on the same message objects as protobuf-es, which stays the library for everything else
 * (types, reflection, JSON). It exists because a stream decodes and encodes every record, and because
 * bytes of another schema version must never stop a service: a field with another wire type than its own
 * is an unknown field here, and unknown fields are kept. Bytes that are no message at all, and values
 * that a field cannot hold, are `record-invalid`.
 */
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { Writer } from '../base/bytes.ts'
import { decoderOf } from './decoder.ts'
import { encoderOf } from './encoder.ts'
import type { Fields } from './local-form.ts'
import { Cursor } from './wire.ts'

/** Reads and writes messages of one type. */
export interface Codec<S extends DescMessage = DescMessage> {
  /** Appends the message's bytes. Fields that an initializer leaves out take their default. */
  encode(message: MessageInitShape<S>, writer: Writer): void
  /** The message in `bytes[start, end)`, the same object protobuf-es would make of them. */
  decode(bytes: Uint8Array, start?: number, end?: number): MessageShape<S>
}

/** One for all: reading a message is over before the next begins. */
const cursor = new Cursor()

/** The codec of a message type. Compiling is cached, so calling it again costs little. */
export function compileCodec<S extends DescMessage>(message: S): Codec<S> {
  const encoder = encoderOf(message)
  const decoder = decoderOf(message)
  const { typeName } = message
  return Object.freeze({
    encode: (value: MessageInitShape<S>, writer: Writer) => encoder.write(value as Fields, writer),
    decode: (bytes: Uint8Array, start = 0, end = bytes.length) => {
      const decoded = decoder.create()
      cursor.begin(bytes, start, end, typeName)
      decoder.read(decoded, cursor)
      return decoded as MessageShape<S>
    },
  })
}
