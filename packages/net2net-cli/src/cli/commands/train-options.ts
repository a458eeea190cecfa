/** The options of net2net train. */

import { type Command, Option } from 'commander'
import { isTable } from 'net2net/data'
import type { Device } from 'net2net/runtime'
import {
  adam,
  adamw,
  type Loss,
  type LossName,
  lossNames,
  type Optimizer,
  sgd,
  softmaxCrossEntropy,
} from 'net2net/training'
import { usageError } from '../../errors.ts'
import { examples } from '../command.ts'
import { integer, list, number, parallel, seed } from '../options.ts'

export interface TrainOptions {
  readonly data?: string
  readonly target?: string
  /** Share of the data held back; undefined where nothing was asked for. */
  readonly validation?: number
  readonly loss: LossName
  readonly optimizer: keyof typeof optimizers
  readonly learningRate?: number
  readonly momentum?: number
  readonly weightDecay?: number
  readonly epochs: number
  readonly batchSize: number
  readonly freeze?: readonly string[]
  readonly trainOnly?: readonly string[]
  readonly classAxis?: number
  readonly device: Device
  readonly threads?: number
  readonly seed: number
  readonly checkpointEvery: number
  readonly recipe?: string
  readonly resume?: true
  readonly output?: string
  readonly exportStep?: string
  readonly gradients?: true
  readonly force?: true
  readonly json?: true
}

export const optimizers = {
  sgd: ({ learningRate = 0.01, momentum = 0.9, weightDecay = 0 }: TrainOptions) =>
    sgd({ learningRate, momentum, weightDecay }),
  adam: ({ learningRate = 0.001, weightDecay = 0 }: TrainOptions) =>
    adam({ learningRate, weightDecay }),
  adamw: ({ learningRate = 0.001, weightDecay = 0.01 }: TrainOptions) =>
    adamw({ learningRate, weightDecay }),
} satisfies Record<string, (options: TrainOptions) => Optimizer>

/** The loss and the choice of parameters, as the library takes them. */
export const choicesOf = ({ loss, classAxis, freeze = [], trainOnly }: TrainOptions) => {
  const chosen: Loss | LossName =
    classAxis === undefined ? loss : softmaxCrossEntropy({ axis: classAxis })
  return { loss: chosen, freeze, trainOnly }
}

export const trainOptions = (command: Command): Command =>
  command
    .argument('<model>', 'an ONNX file')
    .option(
      '--data <what>',
      'mnist, fashion-mnist, an .npz, .csv or .tsv file, a folder of IDX files or pictures (see below)',
    )
    .option('--target <column>', 'column of the target, for tables (default: the last)')
    .option(
      '--validation <share>',
      'share of the data held back, where they have no test part (default: 0.1)',
      number(0),
    )
    .addOption(new Option('--loss <name>').choices(lossNames).default('softmax-cross-entropy'))
    .addOption(new Option('--optimizer <name>').choices(Object.keys(optimizers)).default('sgd'))
    .option('--learning-rate <x>', 'default: 0.01 for sgd, 0.001 for the others', number(0))
    .option('--momentum <x>', 'for sgd; default 0.9', number(0))
    .option('--weight-decay <x>', 'default: 0.01 for adamw, 0 for the others', number(0))
    .option('--epochs <n>', 'passes over the data', integer(1), 1)
    .option('--batch-size <n>', 'samples per step', integer(1), 32)
    .option('--freeze <patterns>', 'parameters or layers that stay as they are: conv1,fc*', list)
    .option(
      '--train-only <patterns>',
      'parameters, layers or other constants that are trained, and nothing else: head*',
      list,
    )
    .option(
      '--class-axis <axis>',
      'axis of the classes in the scores, where the targets do not tell it: 1, -1',
      integer(Number.NEGATIVE_INFINITY),
    )
    .addOption(new Option('--device <name>').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
    .option('--threads <n>', 'threads of ONNX Runtime; they may decide the last bits', parallel)
    .option('--seed <n>', 'seed of the order of samples and of masks', seed, 0)
    .option('--checkpoint-every <n>', 'steps between checkpoints within an epoch', integer(1), 500)
    .option('--recipe <file>', 'when to grow on the way, and how: a training recipe')
    .option('--resume', 'go on from the last checkpoint in the output folder')
    .option('-o, --output <dir>', 'folder for the trained model, results and checkpoints')
    .option('--export-step <file>', 'write one training step as an ONNX file instead of training')
    .option('--gradients', 'with --export-step: add outputs NAME.gradient')
    .option('--force', 'replace what is in the output folder')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `${examples(
        'train student.onnx --data mnist --learning-rate 0.001 --epochs 3 -o runs/student',
        'train student.onnx --data mnist --learning-rate 0.001 --epochs 5 -o runs/student --resume',
        'train model.onnx --data mnist --epochs 6 --recipe grow.yaml -o runs/growing',
        'train model.onnx --data table.csv --loss mse --optimizer adam -o runs/table',
        'train model.onnx --export-step step.onnx --gradients',
      )}
Data: one sample per line of a .csv or .tsv file; arrays x and y, or x_train, y_train, x_test and
y_test, in an .npz file; one folder per class of pictures, perhaps in train and test. Bytes become
[0, 1]. Text, folders and whole numbers are classes: numbers are the indices of the model's outputs,
names are numbered in the order of their values and stored with the trained model.

A training recipe (grow.yaml):
  stages:
    - when: { epoch: 2 }       # or { step: 500 }, or { plateau: 2 }: epochs without a better loss
      learningRate: 0.1        # what the learning rate is multiplied by; this is the default
      steps:                   # as in a recipe of net2net grow
        - widen: { conv1: x2 }
        - deepen: [fc1]
`,
    )

/** An option that would change nothing is a misunderstanding. */
export function refuseUnused({
  optimizer,
  momentum,
  gradients,
  exportStep,
  ...rest
}: TrainOptions): void {
  if (momentum !== undefined && optimizer !== 'sgd')
    throw usageError(`--momentum is for --optimizer sgd, not ${optimizer}.`)
  if (gradients && exportStep === undefined) throw usageError('--gradients is for --export-step.')
  if (rest.resume && rest.force)
    throw usageError('--resume goes on with what is in the folder, --force replaces it: give one.')
  if (rest.target !== undefined && !isTable(rest.data ?? ''))
    throw usageError('--target is for .csv files and other tables.')
  if (rest.classAxis !== undefined && rest.loss !== 'softmax-cross-entropy')
    throw usageError('--class-axis is for softmax-cross-entropy; other losses have no classes.')
}
