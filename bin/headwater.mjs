#!/usr/bin/env node
/**
 * The command: of the package from `dist`, in a clone from its sources. Only what every Node can read stands here,
 * so that one that is too old is told so. Not in TypeScript: so Node keeps what it compiles before it meets any,
 * and need not load its compiler the next time.
 */
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `headwater: needs Node 24 or newer, and this is Node ${process.versions.node}: see https://nodejs.org\n`,
  )
  process.exit(1)
}
nodeModule.enableCompileCache()
const sources = new URL('../src/cli/main.ts', import.meta.url)
await import(existsSync(sources) ? sources.href : '../dist/cli/main.js')
