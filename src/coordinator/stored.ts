/**
 * How changes lie in a coordinator's log: one byte of kind, one of version, then a struct.
 *
 * | byte 0 | byte 1  | rest                                                          |
 * |--------|---------|---------------------------------------------------------------|
 * | kind   | version | the fields, as `protocol/schema.ts` encodes them (flexible)   |
 *
 * A kind's number is never given to another kind. A new field is declared `since` the next version with
 * a default, and the form's version goes up; older changes then decode with that default. So a log
 * written by an older release is always readable; a newer release's is refused by name.
 */
import { HeadwaterError } from '../base/errors.ts'
import { compile, type Type, type ValueCodec } from '../protocol/schema.ts'

/** How one type of change is stored. */
export interface Form<T> {
  readonly kind: number
  readonly version: number
  readonly fields: Type<T>
}

export type Forms = Readonly<Record<string, Form<unknown>>>

/** The changes a table of forms can store. */
export type StoredChange<F extends Forms> = {
  [K in keyof F & string]: { readonly type: K } & (F[K] extends Form<infer T> ? T : never)
}[keyof F & string]

export function form<T>(kind: number, version: number, fields: Type<T>): Form<T> {
  return { kind, version, fields }
}

export interface ChangeCodec<C> {
  /** Nothing for a change without a form: it is volatile. */
  readonly encode: (change: { readonly type: string }) => Uint8Array | undefined
  readonly decode: (stored: Uint8Array) => C
}

/** The codec of the changes in `forms`; `log` names the coordinator in errors. */
export function changeCodec<F extends Forms>(log: string, forms: F): ChangeCodec<StoredChange<F>> {
  const byType = new Map(Object.entries(forms))
  const byKind = new Map([...byType].map(([type, { kind }]) => [kind, type]))
  const compiled = new Map<string, ValueCodec<unknown>>()
  const codecOf = (type: string, version: number) => {
    const key = `${type} v${version}`
    let codec = compiled.get(key)
    if (codec === undefined) {
      codec = compile(byType.get(type)!.fields, version, true, key)
      compiled.set(key, codec)
    }
    return codec
  }
  return {
    encode(change) {
      const stored = byType.get(change.type)
      if (stored === undefined) return undefined
      const fields = codecOf(change.type, stored.version).encode(change)
      const bytes = new Uint8Array(fields.length + 2)
      bytes[0] = stored.kind
      bytes[1] = stored.version
      bytes.set(fields, 2)
      return bytes
    },
    decode(bytes) {
      const type = byKind.get(bytes[0] ?? 0)
      const version = bytes[1] ?? 0
      if (type === undefined || version > byType.get(type)!.version) {
        throw new HeadwaterError(
          'data-dir-version',
          `the ${log} log holds a change of kind ${bytes[0]} version ${version}, which this ` +
            'release does not know: open the data directory with the release that wrote it',
        )
      }
      // A copy: the fields are views, and must not keep a whole read buffer alive.
      const fields = codecOf(type, version).decode(bytes.slice(2)) as object
      return { type, ...fields } as StoredChange<F>
    },
  }
}
