#!/usr/bin/env node
// This file is committed, since npm links a bin only if its file exists at the time of `npm ci`.
import { existsSync } from 'node:fs'

const main = new URL('../dist/cli/main.js', import.meta.url)
if (existsSync(main)) await import(main.href)
else {
  process.stderr.write('net2net: this clone is not built yet. Run "npm run build" first.\n')
  process.exitCode = 1
}
