/** Making folders. Node only. */
import fs from 'node:fs'
import path from 'node:path'
import { errorCode } from './file-source.ts'

/**
 * Makes a folder and those around it, as `mkdir -p`. Node's own way of that (`recursive`) tries for
 * ever where a folder that is there takes no new one: one that was removed meanwhile, or `/proc`.
 *
 * @returns the outermost folder that was made; undefined where there was nothing to make
 * @throws the file system's own error
 */
export function makeFolder(folder: string): string | undefined {
  try {
    fs.mkdirSync(folder)
    return folder
  } catch (cause) {
    const around = path.dirname(folder)
    if (errorCode(cause) === 'EEXIST' && fs.statSync(folder).isDirectory()) return undefined
    if (errorCode(cause) !== 'ENOENT' || fs.existsSync(around)) throw cause
    const made = makeFolder(around)
    fs.mkdirSync(folder)
    return made
  }
}
