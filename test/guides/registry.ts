/**
 * A package registry that has this package as it is now, and sends everybody on to the real one for all others.
 * So a guide is followed as it stands, by `npx headwater`, before the package is published.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const upstream = process.env['npm_config_registry'] ?? 'https://registry.npmjs.org/'

export interface Registry extends AsyncDisposable {
  /** With a slash at its end, as package managers write it. */
  readonly url: string
}

/** @param tarball what `npm pack` made @param manifest the text of its `package.json` */
export async function serveRegistry(tarball: string, manifest: string): Promise<Registry> {
  const bytes = readFileSync(tarball)
  const server = createServer((request, response) => {
    if (request.url === '/headwater') {
      const url = `http://${request.headers.host}/headwater.tgz`
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(packument(manifest, url, bytes)))
    } else if (request.url === '/headwater.tgz') response.end(bytes)
    else response.writeHead(307, { location: new URL(`.${request.url}`, upstream).href }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What a registry says of a package, as far as package managers ask. */
function packument(text: string, tarball: string, bytes: Buffer): object {
  const manifest = JSON.parse(text) as { readonly name: string; readonly version: string }
  const { name, version } = manifest
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const shasum = createHash('sha1').update(bytes).digest('hex')
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, dist: { tarball, integrity, shasum } } },
    time: { [version]: '2026-01-01T00:00:00.000Z' },
  }
}
