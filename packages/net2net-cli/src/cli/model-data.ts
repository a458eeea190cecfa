/** The data that a model is trained or evaluated on. */
import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Model } from 'net2net'
import {
  isTable,
  type LoadedData,
  type LoadOptions,
  loadData,
  type SampleSet,
  split,
} from 'net2net/data'
import { columnsOf, preparationOf } from 'net2net/model'
import {
  focal,
  klDivergence,
  type Loss,
  type LossName,
  softmaxCrossEntropy,
} from 'net2net/training'
import { usageError } from '../errors.ts'
import { integer, list, number } from './options.ts'

/** `a.csv,b.csv`; a name with a comma that exists is one. */
export const dataSetsOf = (spec: string): readonly string[] =>
  existsSync(spec) ? [spec] : list(spec)

/** What the command line says of data, as `loadData` takes it. */
export type DataOptions = Pick<
  LoadOptions,
  | 'target'
  | 'weights'
  | 'columns'
  | 'categories'
  | 'encoding'
  | 'missing'
  | 'standardize'
  | 'text'
  | 'tokens'
  | 'length'
  | 'stride'
  | 'fit'
  | 'normalize'
  | 'layout'
>

export interface ModelDataOptions extends DataOptions {
  /** The name of the loss: whether targets are classes. */
  readonly loss: string
  readonly signal: AbortSignal
}

/** Adds the options that say how data become numbers, and how much samples count. */
export const dataOptions = (command: Command): Command =>
  preparationOptions(command).addOption(weightsOption())

/** Adds the options that say how data become numbers, for models that do not know it yet. */
export const preparationOptions = (command: Command): Command =>
  command
    .option(
      '--columns <names>',
      'columns of a table that are features (default: all but the target)',
      list,
    )
    .option('--categories <names>', 'columns of a table whose values are categories', list)
    .addOption(
      new Option(
        '--encoding <name>',
        "of categories (default: what fits the model's input)",
      ).choices(['one-hot', 'ids']),
    )
    .addOption(missingOption())
    .option('--standardize', 'numbers of a table minus their mean, divided by their deviation')
    .addOption(
      new Option('--text <units>', 'read a text, or a column of texts, as ids of these').choices([
        'bytes',
        'characters',
      ]),
    )
    .addOption(
      new Option(
        '--tokens <type>',
        'numbers of a .bin file of token ids (default: uint16)',
      ).choices(['uint16', 'uint32', 'int32', 'int64']),
    )
    .option(
      '--length <units>',
      'length of the sequences, where the model takes any (of texts and tokens)',
      integer(1),
    )
    .addOption(
      new Option(
        '--fit <how>',
        'pictures of another shape: resize (the default: stretched), crop or pad them',
      ).choices(['resize', 'crop', 'pad']),
    )
    .option(
      '--normalize <by>',
      'pictures, by data (their own mean and deviation), imagenet, or MEAN/DEVIATION, lists of values from 0 to 1',
      normalization,
    )
    .addOption(layoutOption())
    .option('--stride <units>', 'from one sequence to the next (default: their length)', integer(1))

/** `data`, `imagenet`, or `0.5,0.5,0.5/0.25,0.25,0.25`. */
function normalization(text: string): DataOptions['normalize'] {
  if (text === 'data' || text === 'imagenet') return text
  const [mean, deviation, ...more] = text.split('/').map((part) => list(part).map(number()))
  if (mean?.length && deviation?.length && more.length === 0) return { mean, deviation }
  throw new InvalidArgumentError('It must be data, imagenet, or MEAN/DEVIATION.')
}

/** Where channels are. */
export const layoutOption = (): Option =>
  new Option(
    '--layout <name>',
    'of arrays whose channels are not where the model has them, in pictures, signals and volumes: they are moved',
  ).choices(['channels-first', 'channels-last'])

/** How much samples count. */
export const weightsOption = (): Option =>
  new Option(
    '--weights <name>',
    'column of a table, or array, that says how much each sample (or prediction) counts; 0 leaves it out',
  )

/** What becomes of cells without a value. */
export const missingOption = (): Option =>
  new Option(
    '--missing <how>',
    'samples that lack a value: refuse, fill (with the mean, or the most frequent category), or drop',
  ).choices(['refuse', 'fill', 'drop'])

/** The options of data among those of a command. */
export function dataOptionsOf(options: DataOptions): DataOptions {
  const { target, columns, categories, encoding, missing, standardize } = options
  const { text, tokens, length, stride, fit, normalize, layout } = options
  const { weights } = options
  const ofTables = { target, columns, categories, encoding, missing, standardize, weights }
  return { ...ofTables, text, tokens, length, stride, fit, normalize, layout }
}

/** Losses whose targets are classes. */
const ofClasses: readonly string[] = ['softmax-cross-entropy', 'focal'] satisfies LossName[]

export const isOfClasses = (loss: string): boolean => ofClasses.includes(loss)

/** A loss whose classes are along this axis. @throws usage for one that has no classes */
export function lossAlong(name: LossName, axis: number | undefined): Loss | LossName {
  if (axis === undefined) return name
  const make = {
    'softmax-cross-entropy': softmaxCrossEntropy,
    focal,
    'kl-divergence': klDivergence,
  }
  if (name in make) return make[name as keyof typeof make]({ axis })
  throw usageError(
    `--class-axis is for ${Object.keys(make).join(', ')}; other losses have no classes.`,
  )
}

/** Loads data in the shape of the model's inputs, with the classes, columns and preparation that it knows. */
export function loadFor(
  model: Model,
  spec: string,
  { loss, signal, ...given }: ModelDataOptions,
): Promise<LoadedData> {
  const options = dataOptionsOf(given)
  mustBeTableOptions(spec, options)
  mustBeAsKnown(model, options)
  return loadData(spec, {
    ...options,
    model,
    signal,
    targetKind: isOfClasses(loss) ? 'class' : 'value',
  })
}

const flags = {
  target: '--target',
  columns: '--columns',
  categories: '--categories',
  encoding: '--encoding',
  missing: '--missing',
  standardize: '--standardize',
} as const satisfies Partial<Record<keyof DataOptions, string>>

/** @throws usage for an option of tables where the data are none */
export function mustBeTableOptions(spec: string, options: DataOptions): void {
  for (const [name, flag] of Object.entries(flags))
    if (options[name as keyof typeof flags] !== undefined && !isTable(spec))
      throw usageError(`${flag} is for .csv files and other tables.`)
}

/** @throws usage for what a model that was trained already does in a way of its own */
function mustBeAsKnown(model: Model, options: DataOptions): void {
  const { target: _, missing, ...tables } = flags
  const decided = { ...tables, fit: '--fit', normalize: '--normalize', text: '--text' } as const
  const known = preparationOf(model)
  if (!known && !columnsOf(model)) return
  const [, flag] =
    Object.entries({ ...decided, ...(known ? { missing } : {}) }).find(([name]) =>
      isGiven(options[name as keyof typeof decided]),
    ) ?? []
  if (flag !== undefined)
    throw usageError(
      `${flag} cannot be changed: the model was trained on data that were made ready in a way that it remembers.`,
    )
}

const isGiven = (value: unknown) => value !== undefined && value !== 'drop'

export interface TrainingDataOptions extends ModelDataOptions {
  /** Share of the data that is held back; undefined where nothing was asked for. */
  readonly validation?: number | undefined
  /** Decides which samples are held back. */
  readonly seed: number
  readonly onNote?: (note: string) => void
}

/** What is held back where nobody says how much. */
export const heldBack = 0.1

/** What a model is trained on, and what it is validated on: the data's test part, or a share that is held back. */
export async function trainingData(
  model: Model,
  spec: string,
  { validation: share, seed, onNote, ...options }: TrainingDataOptions,
): Promise<{ readonly train: SampleSet; readonly validation?: SampleSet }> {
  const loaded = await loadFor(model, spec, options)
  if (loaded.test) {
    if (share !== undefined)
      onNote?.(`--validation ${share} is not used: ${spec} has a test part, which serves instead.`)
    return { train: loaded.train, validation: loaded.test }
  }
  const parts = split(loaded.train, share ?? heldBack, seed)
  return parts.test.length > 0 && parts.train.length > 0
    ? { train: parts.train, validation: parts.test }
    : { train: loaded.train }
}
