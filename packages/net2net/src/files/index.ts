/** Files that are whole or not there at all. Node only. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import { text } from '../arguments.ts'
import type { ReplaceOptions } from './atomic-files.ts'
import * as folders from './make-folder.ts'
import * as reading from './read-whole.ts'
import * as targets from './target.ts'
import * as temporary from './temporary-name.ts'
import * as whole from './write-whole.ts'

export { AtomicFiles, type ReplaceOptions } from './atomic-files.ts'
export type { FileContent } from './write-whole.ts'

const options = kind.options<ReplaceOptions>({ force: kind.flag })

/**
 * Makes a folder and those around it, as `mkdir -p`.
 *
 * @returns the outermost folder that was made; undefined where there was nothing to make
 * @throws Net2NetError (usage) where a file is in the way; (input) where the system refuses
 */
export const makeFolder = kind.checked('makeFolder', folders.makeFolder, { folder: text })

/** The system's refusal to make a folder or to write into it, in words. */
export const folderError = kind.checked('folderError', folders.folderError, {
  folder: text,
  cause: kind.anything,
})

/**
 * A whole file, unpacked if it is gzip.
 *
 * @throws Net2NetError (input) where it does not exist, cannot be read or is not whole
 */
export const readWhole = kind.checkedAsync('readWhole', reading.readWhole, { path: text })

/**
 * Refuses a target that exists, unless `force` allows to replace it; and what is never replaced: a
 * folder, a device, a FIFO, a socket, or a symbolic link to one of these.
 *
 * @throws Net2NetError (usage), naming the target
 */
export const refuseExisting = kind.checkedAsync('refuseExisting', targets.refuseExisting, {
  target: text,
  force: kind.optional(kind.flag),
})

/** Removes the temporary files that killed processes left in a folder. See temporary-name.ts. */
export const removeLeftovers = kind.checked('removeLeftovers', temporary.removeLeftovers, {
  folder: text,
})

/** A name in the target's folder that nobody else uses; `ending` other than `tmp` is never removed. */
export const temporaryName = kind.checked('temporaryName', temporary.temporaryName, {
  target: text,
  ending: kind.optional(text),
})

/**
 * Writes a content to a file: whole and on the disk, or not at all.
 *
 * @throws Net2NetError (usage) where the file exists (without `force`), or where no file may be; (input) where the
 *   system refuses
 */
export const writeWhole = kind.checkedAsync('writeWhole', whole.writeWhole, {
  file: text,
  content: kind.either(
    'a string, a Uint8Array, or a list of parts',
    text,
    kind.bytes,
    kind.listOf('', kind.object('', 'read', 'function')),
  ),
  options,
})

/** The same for several files: all of them appear, or none does. */
export const writeAllWhole = kind.checkedAsync('writeAllWhole', whole.writeAllWhole, {
  contents: kind.map('a Map of contents by file'),
  options,
})
