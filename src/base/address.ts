/**
 * Addresses of TCP as people write them: `host:port`, and `[::1]:9092` where the host is one of IPv6, whose
 * colons would be read as the port's otherwise. Inside the house a host has no brackets.
 */

export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Whether `fetch`, in browsers and in Node, refuses to ask a server on this port ("bad port", Fetch Standard,
 * 2.9 Port blocking): a server there can be reached by other programs alone.
 */
export function isBlockedByFetch(port: number): boolean {
  return blockedPorts.has(port)
}

const blockedPorts: ReadonlySet<number> = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
  512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
  995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
  6669, 6679, 6697, 10080,
])

/** `localhost:9092`, `[::1]:9092`: what `parseAddress` reads back. */
export function addressText({ host, port }: Address): string {
  return `${hostText(host)}:${port}`
}

/** A host as it stands before a port, also in a URL. */
export function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

const addressPattern =
  /^(?:\[([\da-f:.]*:[\da-f:.]*(?:%[^\s[\]]+)?)\]|([^\s:[\]/=,]+))(?::(\d{1,5}))?$/i

/** The host and, where it is given, the port of an address; undefined when the text is none. */
export function parseAddress(
  text: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  const [, sixth, other, digits] = addressPattern.exec(text) ?? []
  const host = sixth ?? other
  const port = digits === undefined ? undefined : Number(digits)
  if (host === undefined || (port ?? 0) > 65_535) return undefined
  const isHost = sixth === undefined || URL.canParse(`http://[${sixth.replace(/%.*/, '')}]`)
  return isHost ? { host, port } : undefined
}

/** A host alone, of IPv6 with brackets or without; undefined when the text is none. */
export function parseHost(text: string): string | undefined {
  const address = parseAddress(text) ?? parseAddress(`[${text}]`)
  return address?.port === undefined ? address?.host : undefined
}

/** Whether a host stands for every address of a machine: it can be listened on, and not dialled. */
export function isWildcard(host: string): boolean {
  const plain = plainHost(host)
  return plain === '0.0.0.0' || plain === '[::]'
}

/** Whether only this machine reaches what listens on a host. A name is taken at its word. */
export function isLoopback(host: string): boolean {
  return /^(?:127\.[\d.]+|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]+\]|(?:.+\.)?localhost)$/.test(
    plainHost(host),
  )
}

/** What a client on this machine dials to reach a listener: loopback stands in for a wildcard. */
export function dialable({ host, port }: Address): Address {
  if (!isWildcard(host)) return { host, port }
  return { host: plainHost(host) === '[::]' ? '::1' : '127.0.0.1', port }
}

/** One spelling for each host: `0` is `0.0.0.0`, and `0:0:0:0:0:0:0:1` is `[::1]`. */
export function plainHost(host: string): string {
  return URL.parse(`http://${hostText(host)}`)?.hostname ?? host.toLowerCase()
}
