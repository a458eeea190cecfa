/** Checkpoints of trainings, as files. Node only. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import { text } from '../arguments.ts'
import * as files from './checkpoint-file.node.ts'
import * as folders from './checkpoint-folder.node.ts'

export type { Checkpoint } from './checkpoint-file.node.ts'
export {
  CheckpointFolder,
  type CheckpointFolderOptions,
  type SkippedCheckpoint,
} from './checkpoint-folder.node.ts'

/** Writes a checkpoint under a temporary name, brings it to the disk, and renames it. */
export const writeCheckpoint = kind.checkedAsync('writeCheckpoint', files.writeCheckpoint, {
  path: text,
  checkpoint: kind.options<files.Checkpoint>(
    { extra: kind.anything, attachments: kind.map('a Map of contents by name') },
    { fingerprint: text, state: kind.object('the state of a training', 'tensors', 'object') },
  ),
})

/** @throws Net2NetError (input), saying what is wrong, for a file that is no whole checkpoint */
export const readCheckpoint = kind.checkedAsync('readCheckpoint', files.readCheckpoint, {
  path: text,
})

/** A short name for whatever decides how a training goes, given as JSON. */
export const fingerprintOf = kind.checked('fingerprintOf', folders.fingerprintOf, {
  settings: kind.json,
})
