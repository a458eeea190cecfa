/** Runs as self-contained pages. */
export type { ArmRecord, EpochRecord, LayerRecord, RunRecord, StepRecord } from './record.ts'
export { reportHtml } from './report.ts'
