/** Making folders. Node only. */
import fs from 'node:fs'
import path from 'node:path'
import { inputError, type Net2NetError, usageError } from '../errors.ts'
import { errorCode } from './file-source.ts'

/**
 * Makes a folder and those around it, as `mkdir -p`.
 *
 * @returns the outermost folder that was made; undefined where there was nothing to make
 * @throws usage where a file is in the way; input where the system refuses
 */
export function makeFolder(folder: string): string | undefined {
  try {
    return makeAll(folder)
  } catch (cause) {
    throw folderError(folder, cause)
  }
}

/** Node's own way of this (`recursive`) tries for ever where a folder that is there takes no new one: one that was removed meanwhile, or `/proc`. */
function makeAll(folder: string): string | undefined {
  try {
    fs.mkdirSync(folder)
    return folder
  } catch (cause) {
    const around = path.dirname(folder)
    if (errorCode(cause) === 'EEXIST' && fs.statSync(folder).isDirectory()) return undefined
    if (errorCode(cause) !== 'ENOENT' || around === folder || fs.existsSync(around)) throw cause
    const made = makeAll(around)
    fs.mkdirSync(folder)
    return made
  }
}

/** The system's refusal to make a folder or to write into it, in words. */
export function folderError(folder: string, cause: unknown): Net2NetError {
  const details = { where: folder, cause }
  const code = errorCode(cause)
  if (code === 'EEXIST') return usageError(`${folder} is a file, not a folder.`, details)
  if (code === 'ENOTDIR') return usageError(`${folder} is not in a folder.`, details)
  const reason = cause instanceof Error ? cause.message : String(cause)
  return inputError(`The folder ${folder} cannot be written (${reason}).`, details)
}
