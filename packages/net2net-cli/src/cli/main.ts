#!/usr/bin/env node
import { generalHelp } from './commands.ts'

const args = process.argv.slice(2)
if (args.length === 1 && ['--help', '-h', 'help'].includes(args[0]!)) {
  // A reader that has seen enough (| head) is no error.
  process.stdout.on('error', () => {})
  process.stdout.write(generalHelp())
} else {
  const { run } = await import('./run.ts')
  await run(args)
}
