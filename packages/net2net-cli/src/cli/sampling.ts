/** Data on which a model is measured: options of commands that evaluate, rank, or grow by what they measure. */
import { type Command, Option } from 'commander'
import type { Model } from 'net2net'
import type { SampleSet } from 'net2net/data'
import type { Device } from 'net2net/runtime'
import { type Loss, type LossName, lossNames, storedLoss } from 'net2net/training'
import { usageError } from '../errors.ts'
import { headings } from './command.ts'
import {
  type DataOptions,
  dataOptionsOf,
  loadFor,
  lossAlong,
  preparationOptions,
} from './model-data.ts'
import { integer, parallel } from './options.ts'

export interface SamplingOptions extends Omit<DataOptions, 'weights'> {
  readonly data?: string
  readonly loss?: LossName
  readonly classAxis?: number
  readonly device: Device
  readonly threads?: number
}

export const samplingOptions = (command: Command): Command =>
  preparationOptions(
    command
      .optionsGroup(headings.data)
      .option(
        '--data <what>',
        'mnist, fashion-mnist, a .csv, .tsv, .jsonl, .parquet, .npz, .txt, .bin or .npy file, or a folder of IDX files, .npy files or pictures',
      )
      .option('--target <column>', 'column of the target, for tables (default: the last)'),
  )
    .optionsGroup(headings.measuring)
    .addOption(
      new Option('--loss <name>', 'default: the one that the model was trained with').choices(
        lossNames,
      ),
    )
    .option(
      '--class-axis <axis>',
      'axis of the classes in the scores, where the targets do not tell it: 1, -1',
      integer(Number.NEGATIVE_INFINITY),
    )
    .addOption(new Option('--device <name>').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
    .option('--threads <n>', 'threads of ONNX Runtime', parallel)

/** The data, and the loss: what a model is measured on. */
export interface Sampling {
  /** All data, or their training part. */
  readonly samples: SampleSet
  /** The test part of data in two parts. */
  readonly test?: SampleSet | undefined
  readonly loss: Loss | LossName
  /** What the loss is called. */
  readonly lossName: LossName
  readonly session: { readonly device: Device; readonly threads?: number | undefined }
}

/** @throws usage where the options say nothing of the loss, and the model does not either; as `loadData` */
export async function samplingFor(
  model: Model,
  spec: string,
  { classAxis, device, threads, ...options }: SamplingOptions & Pick<DataOptions, 'weights'>,
  signal: AbortSignal,
): Promise<Sampling> {
  const loss = options.loss ?? storedLoss(model)
  if (!loss)
    throw usageError('The model does not tell which loss it was trained with: give it with --loss.')
  const chosen = lossAlong(loss, classAxis)
  const { train: samples, test } = await loadFor(model, spec, {
    ...dataOptionsOf(options),
    loss,
    signal,
  })
  return { samples, test, loss: chosen, lossName: loss, session: { device, threads } }
}
