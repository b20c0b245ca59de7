#!/usr/bin/env node
/** The `headwater` command: has Node keep its compiled code, then loads it. */
import { compileOnce } from '../io/node-process.ts'

compileOnce()
await import('./commands.ts')
