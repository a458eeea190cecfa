/** The options of net2net train. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { AugmentOptions, SampleSet } from 'net2net/data'
import type { Limits } from 'net2net/exploring'
import type { Device } from 'net2net/runtime'
import {
  accumulated,
  adafactor,
  adagrad,
  adam,
  adamw,
  averaged,
  distillation,
  type LearningRate,
  type LossName,
  lion,
  lossNames,
  metricNames,
  muon,
  type Optimizer,
  rmsprop,
  sgd,
  softmaxCrossEntropy,
} from 'net2net/training'
import { usageError } from '../../errors.ts'
import { examples } from '../command.ts'
import { limit } from '../costs.ts'
import { type DataOptions, dataOptions, lossAlong } from '../model-data.ts'
import { integer, list, number, parallel, seed } from '../options.ts'
import { scheduleForms, scheduleOf } from '../schedule.ts'

export interface TrainOptions extends DataOptions {
  readonly data?: string
  /** Share of the data held back; undefined where nothing was asked for. */
  readonly validation?: number
  readonly loss: LossName
  readonly optimizer: keyof typeof kinds
  readonly learningRate?: number
  readonly schedule: string
  readonly warmUp: number
  readonly nesterov?: true
  readonly momentumRule?: 'keras' | 'pytorch'
  readonly clipNorm?: number
  readonly labelSmoothing?: number
  readonly classWeights?: readonly number[] | 'balanced'
  readonly ignoreLabel?: number
  readonly ema?: number
  readonly augment?: AugmentOptions
  readonly distill?: string
  readonly distillWeight?: number
  readonly temperature?: number
  readonly accumulate?: number
  /** `true` for those with at least two axes. */
  readonly decayOnly?: readonly string[] | true
  readonly rate?: Readonly<Record<string, number>>
  readonly metric?: readonly string[]
  readonly earlyStopping?: number
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
  readonly log?: string
  readonly tensorboard?: string
  readonly recipe?: string
  readonly grow?: 'auto'
  readonly replay?: string
  readonly limit?: Limits
  readonly growPatience?: number
  readonly resume?: true
  readonly output?: string
  readonly exportStep?: string
  readonly gradients?: true
  readonly force?: true
  readonly json?: true
}

type OptimizerOptions = Omit<TrainOptions, 'learningRate'> & { readonly learningRate: LearningRate }

const kinds = {
  sgd: {
    rate: 0.01,
    make: ({
      learningRate,
      momentum = 0.9,
      weightDecay = 0,
      nesterov,
      momentumRule: rule,
    }: OptimizerOptions) =>
      sgd({ learningRate, momentum, weightDecay, nesterov: nesterov === true, rule }),
  },
  adam: {
    rate: 0.001,
    make: ({ learningRate, weightDecay = 0 }: OptimizerOptions) =>
      adam({ learningRate, weightDecay }),
  },
  adamw: {
    rate: 0.001,
    make: ({ learningRate, weightDecay = 0.01 }: OptimizerOptions) =>
      adamw({ learningRate, weightDecay }),
  },
  rmsprop: {
    rate: 0.01,
    make: ({ learningRate, momentum, weightDecay }: OptimizerOptions) =>
      rmsprop({ learningRate, momentum, weightDecay }),
  },
  lion: {
    rate: 0.0001,
    make: ({ learningRate, weightDecay }: OptimizerOptions) => lion({ learningRate, weightDecay }),
  },
  adagrad: {
    rate: 0.01,
    make: ({ learningRate, weightDecay }: OptimizerOptions) =>
      adagrad({ learningRate, weightDecay }),
  },
  adafactor: {
    rate: 0.01,
    make: ({ learningRate, weightDecay }: OptimizerOptions) =>
      adafactor({ learningRate, weightDecay }),
  },
  muon: {
    rate: 0.001,
    make: ({ learningRate, momentum, weightDecay }: OptimizerOptions) =>
      muon({ learningRate, momentum, weightDecay }),
  },
} satisfies Record<string, { readonly rate: number; make(options: OptimizerOptions): Optimizer }>

/** The optimizer with its learning rate over time. @throws usage for a schedule that there is not */
export function optimizerOf(options: TrainOptions): Optimizer {
  const { rate, make } = kinds[options.optimizer]
  const learningRate = scheduleOf(options.schedule, {
    rate: options.learningRate ?? rate,
    epochs: options.epochs,
    warmUpSteps: options.warmUp,
  })
  const optimizer = make({ ...options, learningRate })
  const { ema, accumulate } = options
  const averaging = ema === undefined ? optimizer : averaged(optimizer, ema)
  return accumulate === undefined ? averaging : accumulated(averaging, accumulate)
}

/** The loss and the choice of parameters, as the library takes them. */
export function choicesOf(options: TrainOptions, samples?: SampleSet) {
  const { loss, classAxis, labelSmoothing, freeze = [], trainOnly, clipNorm } = options
  const { decayOnly, rate } = options
  const { ignoreLabel: ignoredLabel } = options
  const classWeights =
    options.classWeights === 'balanced'
      ? samples && balancedWeights(samples, ignoredLabel)
      : options.classWeights
  const special = { labelSmoothing, ignoredLabel, classWeights }
  const { distillWeight: weight, temperature } = options
  const chosen =
    options.distill !== undefined
      ? distillation({ weight, temperature, axis: classAxis })
      : Object.values(special).every((one) => one === undefined)
        ? lossAlong(loss, classAxis)
        : softmaxCrossEntropy({ axis: classAxis, ...special })
  return {
    loss: chosen,
    freeze,
    trainOnly,
    clipNorm,
    rates: rate,
    decayOnly: decayOnly === true ? ('matrices' as const) : decayOnly,
  }
}

export const trainOptions = (command: Command): Command =>
  dataOptions(
    command
      .argument('<model>', 'an ONNX file, or the folder of a training that is gone on from')
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
    .addOption(new Option('--loss <name>').choices(lossNames).default('softmax-cross-entropy'))
    .addOption(new Option('--optimizer <name>').choices(Object.keys(kinds)).default('sgd'))
    .option(
      '--learning-rate <x>',
      'default: 0.001 for adam, adamw and muon, 0.0001 for lion, 0.01 for the others',
      number(0),
    )
    .option('--schedule <name>', 'of the learning rate: see below', 'constant')
    .option('--warm-up <steps>', 'steps over which the learning rate rises from 0', integer(0), 0)
    .option('--momentum <x>', 'for sgd (default 0.9), rmsprop (0) and muon (0.95)', number(0))
    .option(
      '--weight-decay <x>',
      'default: 0.01 for adamw, 0.1 for muon, 0 for the others',
      number(0),
    )
    .option(
      '--decay-only [patterns]',
      'weight decay for these alone: fc*; without patterns, for all but biases and norms',
      list,
    )
    .option('--nesterov', "Nesterov's momentum, for sgd")
    .addOption(
      new Option(
        '--momentum-rule <name>',
        'for sgd: whether velocity holds the learning rate (keras) or not; they differ where it changes',
      ).choices(['keras', 'pytorch']),
    )
    .option(
      '--rate <pattern=factor>',
      'factor on the learning rate of some parameters or layers: conv*=0.1; of the units that growth added: new=1, old=0.1; may be repeated',
      rates,
    )
    .option('--clip-norm <x>', 'scale gradients to this norm at most', number(0))
    .option(
      '--label-smoothing <x>',
      'for softmax-cross-entropy: share spread over all classes',
      number(0),
    )
    .option(
      '--class-weights <numbers>',
      'for softmax-cross-entropy: how much each class counts, in their order; or balanced: all classes alike',
      weights,
    )
    .option(
      '--ignore-label <n>',
      'for softmax-cross-entropy: a label that does not count, such as -100',
      integer(Number.NEGATIVE_INFINITY),
    )
    .option(
      '--augment <changes>',
      'change pictures at random: flip,shift=2,crop=0.8 (pixels; least share of each side)',
      augmentation,
    )
    .option('--distill <teacher>', 'also learn from what this ONNX file says of the samples')
    .option('--distill-weight <x>', 'how much the teacher counts, 0 to 1 (default: 0.5)', number(0))
    .option('--temperature <x>', 'how soft the distributions are for it (default: 2)', number(0))
    .option('--accumulate <n>', 'batches whose gradients make one update', integer(1))
    .option('--ema <decay>', 'also average the weights, into averaged.onnx: 0.999', number(0))
    .option(
      '--metric <names>',
      'also measure these on the validation data: f1,auc; the first one decides what is best',
      list,
    )
    .option(
      '--early-stopping <epochs>',
      'end after so many epochs without a better one; best.onnx is the best',
      integer(1),
    )
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
    .option('--log <file>', 'also write a line for every step: .csv, .tsv or .jsonl')
    .option('--tensorboard <dir>', 'also write event files for TensorBoard into this folder')
    .option(
      '--replay <data:share>',
      'earlier data, and their share of each batch: old.csv:20% or a.csv,b.csv:20%; with several --data also 20%, of those that came before; new classes are added to the output',
    )
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
        'train small.onnx --data fashion-mnist --epochs 30 --grow auto --limit parameters=500k -o runs/life',
        'train model.onnx --data table.csv --loss mse --optimizer adam -o runs/table',
        'train model.onnx --data mnist --epochs 9 --schedule cosine --warm-up 100 --metric f1 --early-stopping 3 -o runs/best',
        'train model.onnx --data tales.txt --text characters --optimizer adamw -o runs/tales',
        'train model.onnx --export-step step.onnx --gradients',
      )}
Data: one sample per line of a .csv, .tsv, .jsonl or .parquet file; arrays x and y, or x_train, y_train,
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
`,
    )

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

/** `balanced`, or a number for each class. */
const weights = (text: string): readonly number[] | 'balanced' =>
  text === 'balanced' ? text : list(text).map(number(0))

/** For each class the inverse of how often it occurs, 1 in the mean over the samples (as scikit-learn's `balanced`). */
function balancedWeights(
  { target, classes }: SampleSet,
  ignored: number | undefined,
): readonly number[] {
  if (!target?.data)
    throw usageError(
      'The classes of data that are larger than memory are not counted: give their weights.',
    )
  const counts: number[] = Array.from(classes ?? [], () => 0)
  let all = 0
  for (const label of target.data) {
    const c = Number(label)
    if (c === ignored || !Number.isInteger(c) || c < 0) continue
    while (counts.length <= c) counts.push(0)
    counts[c]!++
    all++
  }
  const occurring = counts.filter((count) => count > 0).length
  return counts.map((count) => (count === 0 ? 0 : all / (occurring * count)))
}

/** `conv*=0.1,fc1=2`, after those that were given before. */
function rates(
  text: string,
  before: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
  const given = list(text).map((part) => {
    const at = part.lastIndexOf('=')
    if (at < 1) throw new InvalidArgumentError('It must be a name or pattern, = and a factor.')
    return [part.slice(0, at), number(0)(part.slice(at + 1))] as const
  })
  return { ...before, ...Object.fromEntries(given) }
}
