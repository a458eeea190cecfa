#!/usr/bin/env node
import module from 'node:module'
import { run } from './run.ts'

// Shortens the start where Node has it (22.1 and newer).
const { enableCompileCache } = module as { enableCompileCache?: () => unknown }
enableCompileCache?.()
await run(process.argv.slice(2))
