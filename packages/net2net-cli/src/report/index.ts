/** Runs as self-contained pages. */
export type {
  ArmRecord,
  EpochRecord,
  LayerRecord,
  RunRecord,
  StepRecord,
} from '../runs/run-record.ts'
export { reportHtml } from './report.ts'
