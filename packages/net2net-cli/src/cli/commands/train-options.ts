/** The options of net2net train. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { AugmentOptions, SampleSet } from 'net2net/data'
import type { Limits } from 'net2net/exploring'
import type { Device } from 'net2net/runtime'
import { metricNames } from 'net2net/training'
import { examples, headings } from '../command.ts'
import { limit } from '../costs.ts'
import { type LossOptions, lossOf, lossOptions } from '../loss-options.ts'
import { type DataOptions, dataOptions } from '../model-data.ts'
import { type OptimizerOptions, optimizerOptions } from '../optimizer-options.ts'
import { integer, list, number, parallel, seed } from '../options.ts'
import { scheduleForms } from '../schedule.ts'

export interface TrainOptions extends DataOptions, LossOptions, OptimizerOptions {
  readonly data?: string
  /** Share of the data held back; undefined where nothing was asked for. */
  readonly validation?: number
  readonly augment?: AugmentOptions
  readonly replay?: string
  readonly epochs: number
  readonly batchSize: number
  readonly earlyStopping?: number
  readonly seed: number
  readonly device: Device
  readonly threads?: number
  readonly checkpointEvery: number
  readonly resume?: true
  readonly recipe?: string
  readonly grow?: 'auto'
  readonly limit?: Limits
  readonly growPatience?: number
  readonly output?: string
  readonly log?: string
  readonly tensorboard?: string
  readonly exportStep?: string
  readonly gradients?: true
  readonly force?: true
  readonly json?: true
}

/** The loss and the choice of parameters, as the library takes them. */
export function choicesOf(options: TrainOptions, samples?: SampleSet) {
  const { freeze = [], trainOnly, clipNorm, rate: rates, decayOnly } = options
  return {
    loss: lossOf(options, samples),
    freeze,
    trainOnly,
    clipNorm,
    rates,
    decayOnly: decayOnly === true ? ('matrices' as const) : decayOnly,
  }
}

/** Adds all options, in groups of the help. */
export function trainOptions(command: Command): Command {
  const groups = [
    [headings.data, samplesOptions],
    [headings.loss, lossOptions],
    [headings.optimizer, optimizerOptions],
    [headings.training, runOptions],
    [headings.growth, growthOptions],
    [headings.output, outputOptions],
  ] as const
  command.argument('<model>', 'an ONNX file, or the folder of a training that is gone on from')
  for (const [heading, add] of groups) add(command.optionsGroup(heading))
  return command.addHelpText('after', furtherHelp)
}

const samplesOptions = (command: Command): Command =>
  dataOptions(
    command
      .option(
        '--data <what>',
        'mnist, fashion-mnist, a .csv, .tsv, .jsonl, .parquet, .npz, .txt, .bin or .npy file, a folder of IDX files, .npy files or pictures (see below); several, one after the other: a.csv,b.csv',
      )
      .option('--target <column>', 'column of the target, for tables (default: the last)'),
  )
    .option(
      '--validation <share>',
      'share of the data held back, where they have no test part (default: 0.1)',
      number(0),
    )
    .option(
      '--augment <changes>',
      'change pictures at random: flip,shift=2,crop=0.8 (pixels; least share of each side)',
      augmentation,
    )
    .option(
      '--replay <data:share>',
      'earlier data, and their share of each batch: old.csv:20% or a.csv,b.csv:20%; with several --data also 20%, of those that came before; new classes are added to the output',
    )

const runOptions = (command: Command): Command =>
  command
    .option('--epochs <n>', 'passes over the data', integer(1), 1)
    .option('--batch-size <n>', 'samples per step', integer(1), 32)
    .option(
      '--early-stopping <epochs>',
      'end after so many epochs without a better one; best.onnx is the best',
      integer(1),
    )
    .option('--seed <n>', 'seed of the order of samples and of masks', seed, 0)
    .addOption(new Option('--device <name>').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
    .option('--threads <n>', 'threads of ONNX Runtime; they may decide the last bits', parallel)
    .option('--checkpoint-every <n>', 'steps between checkpoints within an epoch', integer(1), 500)
    .option('--resume', 'go on from the last checkpoint in the output folder')

const growthOptions = (command: Command): Command =>
  command
    .option('--recipe <file>', 'when to grow on the way, and how: a training recipe')
    .addOption(
      new Option(
        '--grow <when>',
        'auto: where growth pays, when neither training nor validation loss falls any more',
      ).choices(['auto']),
    )
    .option(
      '--limit <cost=value>',
      'with --grow: no network may cost more: parameters=2M, latency=5ms, size=10MB; may be repeated',
      limit,
    )
    .option(
      '--grow-patience <epochs>',
      'with --grow: epochs without a better validation loss before it is decided (default: 2)',
      integer(1),
    )

const outputOptions = (command: Command): Command =>
  command
    .option('-o, --output <dir>', 'folder for the trained model, results and checkpoints')
    .option('--log <file>', 'also write a line for every step: .csv, .tsv or .jsonl')
    .option('--tensorboard <dir>', 'also write event files for TensorBoard into this folder')
    .option('--export-step <file>', 'write one training step as an ONNX file instead of training')
    .option('--gradients', 'with --export-step: add outputs NAME.gradient')
    .option('--force', 'replace what is in the output folder')
    .option('--json', 'print one JSON document')

const furtherHelp = `${examples(
  'train student.onnx --data mnist --learning-rate 0.001 --epochs 3 -o runs/student',
  'train student.onnx --data mnist --learning-rate 0.001 --epochs 5 -o runs/student --resume',
  'train model.onnx --data mnist --epochs 6 --recipe grow.yaml -o runs/growing',
  'train small.onnx --data fashion-mnist --epochs 30 --grow auto --limit parameters=500k -o runs/life',
  'train model.onnx --data table.csv --loss mse --optimizer adam -o runs/table',
  'train model.onnx --data mnist --epochs 9 --schedule cosine --warm-up 100 --metric f1 --early-stopping 3 -o runs/best',
  'train model.onnx --data tales.txt --text characters --optimizer adamw -o runs/tales',
  'train model.onnx --export-step step.onnx --gradients',
)}
Files of data: one sample per line of a .csv, .tsv, .jsonl or .parquet file; arrays x and y, or x_train, y_train,
x_test and y_test, in an .npz file or as .npy files in a folder; one folder per class of pictures, perhaps in
train and test; a text (--text) or token ids (.bin, .npy), of which the next one is predicted. Columns of
text whose values recur are categories, or, with --text, texts to classify. Bytes become [0, 1]. Text, folders and whole numbers are classes: numbers are the indices of the model's outputs,
names are numbered in the order of their values and stored with the trained model.

Schedules, with their settings: ${scheduleForms.join(' ')}
Each is over all epochs. Metrics: ${metricNames.join(', ')}, top-K.

A training recipe (grow.yaml):
  stages:
    - when: { epoch: 2 }       # or { step: 500 }, or { plateau: 2 }: epochs without a better loss
      learningRate: 0.1        # what the learning rate is multiplied by; this is the default
      steps:                   # as in a recipe of net2net grow
        - widen: { conv1: x2 }
        - deepen: [fc1]
`

/** `flip,shift=2,crop=0.8` */
function augmentation(text: string): AugmentOptions {
  const parts = list(text).map((part) => part.split('=') as [string, string?])
  const forms: Readonly<Record<string, (value: string | undefined) => number | boolean>> = {
    flip: (value) => value === undefined || refused(),
    shift: (value) => integer(1)(value ?? ''),
    crop: (value) => number(0)(value ?? ''),
  }
  const refused = (): never => {
    throw new InvalidArgumentError('It must be of flip, shift=PIXELS and crop=SHARE.')
  }
  return Object.fromEntries(
    parts.map(([name, value]) => [name, (forms[name] ?? refused)(value)] as const),
  )
}
