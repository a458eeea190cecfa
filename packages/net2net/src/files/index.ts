/** Files that are whole or not there at all. Node only. */
export { readData as readWhole } from '../data/data-file.node.ts'
export { AtomicFile, refuseExisting, syncFolder, temporaryName } from './atomic-file.ts'
export { makeFolder } from './make-folder.ts'
