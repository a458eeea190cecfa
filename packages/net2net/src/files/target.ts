/** What may be written where, and what the system says against it. Node only. */
import fs from 'node:fs'
import { inputError, Net2NetError, usageError } from '../errors.ts'
import { errorCode } from './file-source.ts'

/**
 * Refuses a target that exists, unless `force` allows to replace it; and what is never replaced: a
 * folder, a device, a FIFO, a socket, or a symbolic link to one of these. Another symbolic link is
 * something that exists, whether or not it leads anywhere; with `force` the link itself is replaced.
 *
 * @throws usage, naming the target
 */
export async function refuseExisting(target: string, force = false): Promise<void> {
  const link = await statOf(target, 'lstat')
  if (!link) return
  // A link that leads nowhere is judged as what it is.
  const what = link.isSymbolicLink() ? ((await statOf(target, 'stat')) ?? link) : link
  if (what.isDirectory())
    throw usageError(`${target} cannot be written, for it is a folder: give the name of a file.`, {
      where: target,
    })
  if (!what.isFile() && !what.isSymbolicLink())
    throw usageError(
      `${target} is not a regular file, and nothing else is replaced; give the name of a file.`,
      { where: target },
    )
  if (!force) throw existsError(target)
}

async function statOf(target: string, how: 'stat' | 'lstat'): Promise<fs.Stats | undefined> {
  try {
    return await fs.promises[how](target)
  } catch (cause) {
    const code = errorCode(cause)
    if (code === 'ENOENT' || (how === 'stat' && code === 'ELOOP')) return undefined
    throw writeError(target, cause)
  }
}

const existsError = (target: string) =>
  usageError(
    `${target} exists already; give another name, or replace it with --force (in a program: force: true).`,
    { where: target },
  )

const full = 'no space is left on the device; nothing was changed'
const inputReasons: Readonly<Record<string, string>> = {
  ENOSPC: full,
  EDQUOT: 'the disk quota is used up; nothing was changed',
  EFBIG: 'the file would be larger than the system allows; nothing was changed',
  EIO: 'the device reports an input/output error',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EBUSY: 'another program has it open',
}
const usageReasons: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is not a folder',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its folder is a symbolic link that leads in a circle',
  ERR_INVALID_ARG_VALUE: 'the name has a NUL in it',
}

/** The system's refusal to write a file, in words. */
export function writeError(target: string, cause: unknown): Net2NetError {
  if (cause instanceof Net2NetError) return cause
  const code = errorCode(cause)
  if (code === 'EEXIST') return existsError(target)
  const usage = usageReasons[code]
  const make = usage ? usageError : inputError
  const reason = usage ?? inputReasons[code] ?? code
  return make(`${target.replaceAll('\0', '\\0')}: cannot be written: ${reason}.`, {
    where: target,
    cause,
  })
}
