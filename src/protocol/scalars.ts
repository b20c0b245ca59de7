/** The values of fixed length: how each is read and written. */
import type { Reader } from '../base/bytes.ts'
import { uuidBytes, uuidText } from '../base/units.ts'
import type { ScalarKind } from './shape.ts'
import type { Outgoing } from './wire.ts'

interface Scalar {
  readonly minBytes: number
  read(from: Reader): unknown
  write(out: Outgoing, value: unknown): void
}

export const scalars: Readonly<Record<ScalarKind, Scalar>> = {
  int8: { minBytes: 1, read: (from) => from.int8(), write: (out, v: number) => out.writer.int8(v) },
  int16: {
    minBytes: 2,
    read: (from) => from.int16(),
    write: (out, v: number) => out.writer.int16(v),
  },
  int32: {
    minBytes: 4,
    read: (from) => from.int32(),
    write: (out, v: number) => out.writer.int32(v),
  },
  int64: {
    minBytes: 8,
    read: (from) => from.int64(),
    write: (out, v: number) => out.writer.int64(v),
  },
  bool: {
    minBytes: 1,
    read: (from) => from.int8() !== 0,
    write: (out, v: boolean) => out.writer.int8(v ? 1 : 0),
  },
  uuid: {
    minBytes: 16,
    read: (from) => uuidText(from.slice(16)),
    write: (out, v: string) => out.writer.append(uuidBytes(v)),
  },
}
