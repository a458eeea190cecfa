/** Files that are whole or not there at all. Node only. */

export { AtomicFiles, type ReplaceOptions } from './atomic-files.ts'
export { folderError, makeFolder } from './make-folder.ts'
export { readWhole } from './read-whole.ts'
export { refuseExisting } from './target.ts'
export { removeLeftovers, temporaryName } from './temporary-name.ts'
export { type FileContent, writeAllWhole, writeWhole } from './write-whole.ts'
