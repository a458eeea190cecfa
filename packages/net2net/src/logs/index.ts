/** What is written down of a training while it runs: lines for every step, and files for TensorBoard. Node only. */
import * as kind from '../arguments.ts'
import { number, text } from '../arguments.ts'
import type { LogOptions, TrainingLog } from './log.ts'
import { StepLog } from './step-log.ts'
import { TensorBoardLog } from './tensorboard-log.ts'

export type { LogOptions, TrainingLog } from './log.ts'

/**
 * A file with a line for every step: `.csv` or `.tsv` (a table with a head), or `.jsonl`. It has the columns `step`, `epoch`, `loss`,
 * `accuracy` (for losses of classes), `learning_rate`, `gradient_norm` (before clipping, where gradients are clipped) and
 * `samples_per_second`. The file is made at the first step.
 *
 * @throws Net2NetError (usage) for another ending, and where the file exists (without `after` or `force`); while it
 *   writes, (input) where the system refuses
 */
export const stepLog = kind.checked(
  'stepLog',
  (file: string, options: LogOptions = {}): TrainingLog => new StepLog(file, options),
  { file: text, options: kind.options<LogOptions>({ after: number, force: kind.flag }) },
)

/**
 * Event files for TensorBoard in a folder: the same numbers for every step under `train/`, and under `validation/` the loss, the
 * accuracy and the metrics of every epoch. A training that goes on (`after`) has a file of its own in the same folder.
 *
 * @throws Net2NetError (usage, input), while it writes, where the system refuses
 */
export const tensorBoardLog = kind.checked(
  'tensorBoardLog',
  (folder: string, options: Pick<LogOptions, 'after'> = {}): TrainingLog =>
    new TensorBoardLog(folder, options),
  { folder: text, options: kind.options<Pick<LogOptions, 'after'>>({ after: number }) },
)
