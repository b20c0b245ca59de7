#!/usr/bin/env node
/**
 * The command from its sources, for who works on the project; the package has `dist/cli/main.js`. Not in
 * TypeScript: so Node keeps what it compiles before it meets any, and need not load its compiler the next time.
 */
import { enableCompileCache } from 'node:module'

enableCompileCache()
await import('../src/cli/main.ts')
