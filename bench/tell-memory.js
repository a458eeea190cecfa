/**
 * `node --import tell-memory.js …`: the program's last line on stderr says the largest resident set that it had, in megabytes.
 * Where there is /proc it is read there: `process.resourceUsage()` counts what the parent held when it started this process, too.
 */
import { existsSync, readFileSync } from 'node:fs'

const status = '/proc/self/status'

process.on('exit', () => {
  const kilobytes = existsSync(status)
    ? Number(/VmHWM:\s*(\d+)/.exec(readFileSync(status, 'utf8'))?.[1])
    : process.resourceUsage().maxRSS
  process.stderr.write(`${kilobytes / 1000}\n`)
})
