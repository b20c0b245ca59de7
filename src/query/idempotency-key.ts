/**
 * The id of a command as the header `Idempotency-Key` has it: a string of RFC 8941, 3.3.3, in quotes, as its draft
 * says (draft-ietf-httpapi-idempotency-key-header); or, as most write it, the bare text.
 *
 * Of headers only printable ASCII arrives everywhere as it left, so other ids are refused rather than taken for
 * another. Bare text loses the spaces around it on the way.
 */

/** What is in the header; undefined when that is no id that came as it was sent. */
export function parseIdempotencyKey(header: string): string | undefined {
  if (!isPrintable(header)) return undefined
  if (!header.startsWith('"')) return header
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1]
  return quoted?.replaceAll(/\\(["\\])/g, '$1')
}

/** The header that says an id; undefined when no header can. */
export function printIdempotencyKey(id: string): string | undefined {
  return isPrintable(id) ? `"${id.replaceAll(/["\\]/g, String.raw`\$&`)}"` : undefined
}

function isPrintable(text: string): boolean {
  return /^[ -~]*$/.test(text)
}
