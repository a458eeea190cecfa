/** One process at a time works in a folder. */
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { folderError } from 'net2net/files'
import { usageError } from '../errors.ts'

/**
 * Locks a folder. Locks of dead processes do not count.
 *
 * @param what is run there, for messages: `a sweep`
 * @returns what unlocks it
 * @throws usage where another process has it; input where the system refuses
 */
export function lockFolder(folder: string, what: string): () => void {
  const file = fileIn(folder)
  const owner = readOwner(file)
  const other = (who: string) =>
    usageError(`Another process runs ${what} in ${folder} (${who}).`, {
      where: folder,
      hint: `If it does not, remove ${file}.`,
    })
  if (owner && goesOn(owner)) throw other(`process ${owner.pid} on ${owner.host}`)
  // Left by a process that is gone, or torn.
  rmSync(file, { force: true })
  const key = randomUUID()
  try {
    // Of two that begin at once, one gets the file.
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname(), key }), { flag: 'wx' })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw other('it has just begun')
    rmSync(file, { force: true })
    throw folderError(folder, cause)
  }
  return () => {
    if (readOwner(file)?.key === key) rmSync(file, { force: true })
  }
}

/** Whether a process works in the folder. */
export function isLocked(folder: string): boolean {
  const owner = readOwner(fileIn(folder))
  return owner !== undefined && goesOn(owner)
}

const fileIn = (folder: string): string => path.join(folder, 'running.json')

interface Owner {
  readonly pid: number
  readonly host: string
  readonly key: string
}

/** Of a process on another machine it is not known. */
const goesOn = ({ host, pid }: Owner): boolean => host !== hostname() || isAlive(pid)

function readOwner(file: string): Owner | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
