/** Names of unfinished files, and the removal of those whose process has ended. Node only. */
import fs from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { hashKey } from '../tensor/random.ts'

/** `.NAME.MACHINE-PROCESS-RANDOM.tmp` */
const pattern = /^\..*\.([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{12}\.tmp$/
// Without node:crypto, which takes 3 ms of a start.
const machine = (hashKey([hostname()]) >>> 0).toString(16).padStart(8, '0')
const DAY = 86_400_000
/** Folders that this process has cleared already. */
const cleared = new Set<string>()

/** A name in the target's folder that nobody else uses; `ending` other than `tmp` is never removed. */
export function temporaryName(target: string, ending = 'tmp'): string {
  const name = path.basename(target).slice(0, 50)
  const tag = `${machine}-${process.pid}-${crypto.randomUUID().slice(-12)}`
  return path.join(path.dirname(target), `.${name}.${tag}.${ending}`)
}

/**
 * Removes the temporary files that killed processes left in a folder. A file of this machine is
 * removed if its process is gone. Whether a process on another machine (in a shared folder), or
 * under a number that is in use again, still writes cannot be known: its files are removed once they
 * are a day old.
 */
export function removeLeftovers(folder: string): void {
  for (const name of namesIn(folder)) {
    const file = path.join(folder, name)
    try {
      if (isLeftover(file)) fs.rmSync(file, { force: true })
    } catch {
      // What cannot be removed is no reason not to write beside it.
    }
  }
}

/** The same, for folders that this process has not cleared yet. */
export function removeLeftoversOnce(folder: string): void {
  const whole = path.resolve(folder)
  if (cleared.has(whole)) return
  cleared.add(whole)
  removeLeftovers(whole)
}

function namesIn(folder: string): readonly string[] {
  try {
    return fs.readdirSync(folder)
  } catch {
    // Writing will say why.
    return []
  }
}

function isLeftover(file: string): boolean {
  const [, at, pid] = pattern.exec(path.basename(file)) ?? []
  if (pid === undefined) return false
  const stat = fs.lstatSync(file)
  if (!stat.isFile()) return false
  return (at === machine && !isRunning(Number(pid))) || Date.now() - stat.mtimeMs > DAY
}

function isRunning(pid: number): boolean {
  try {
    // Signal 0 sends nothing; it asks whether the process is there. Windows can do that, too.
    return process.kill(pid, 0)
  } catch (cause) {
    // The process of another user.
    return (cause as NodeJS.ErrnoException).code === 'EPERM'
  }
}
