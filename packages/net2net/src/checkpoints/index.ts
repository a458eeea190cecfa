/** Checkpoints of trainings, as files. Node only. */
export { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint-file.node.ts'
export {
  CheckpointFolder,
  type CheckpointFolderOptions,
  fingerprintOf,
  type SkippedCheckpoint,
} from './checkpoint-folder.node.ts'
