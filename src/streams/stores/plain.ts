/**
 * `plain/1`: plain data as bytes, one to one. It is what state, rekeyed values that are no message, and
 * positions of inputs are stored in.
 *
 * | tag | value                        | what follows                                                 |
 * |-----|------------------------------|--------------------------------------------------------------|
 * | 0–3 | null, undefined, false, true | nothing                                                      |
 * | 4   | a whole number of 32 bits    | zigzag varint                                                |
 * | 5   | any other number             | IEEE 754 double; -0 and the infinities too, one NaN          |
 * | 6   | a bigint of 64 bits          | int64                                                        |
 * | 7   | any other bigint             | sign (0 or 1), size, magnitude                               |
 * | 8   | text                         | size, UTF-8                                                  |
 * | 9   | text with lone surrogates    | size, UTF-16                                                 |
 * | 10  | Date                         | its time as a double; NaN for an invalid one                 |
 * | 11  | Uint8Array, Buffer           | size, bytes; they come back as a Uint8Array                  |
 * | 12  | array                        | count, values                                                |
 * | 13  | object                       | size of its keys, keys, values in the order of the keys      |
 * | 14  | object without prototype     | the same                                                     |
 *
 * A value begins with the byte 0xC1, which no JSON text and no UTF-8 has, and holds one tagged value.
 * Integers are big-endian, sizes and counts unsigned varints in their shortest form. A key is its size times
 * two, plus one when it is in UTF-16, then its text. The order of an object's keys is part of the value, as
 * programs can see it. Every value has exactly one form, and the decoder takes no other: different values
 * never have the same bytes, nor one value two.
 *
 * What is not listed (a Map, a class's instance, a function, a hole in an array, an accessor, a cycle) is
 * refused with the path to it, before anything is written.
 */
import type { Writer } from '../../base/bytes.ts'
import { PlainDecoder } from './plain-decoder.ts'
import { PlainEncoder } from './plain-encoder.ts'
import type { ValueCodec } from './serde.ts'

/** The format's name and version, as identities of stores carry it. */
export const plainFormat = 'plain/1'

const encoder = new PlainEncoder()
const decoder = new PlainDecoder()

/** The codec of plain data. Both ways throw `record-invalid`. */
export const plainCodec: ValueCodec = {
  encode: (value: unknown, writer: Writer) => encoder.encode(value, writer),
  decode: (bytes, start, end) => decoder.decode(bytes, start, end),
}
