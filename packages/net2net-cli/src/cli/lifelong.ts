/** A model that learns from new data and keeps what it knew: earlier data among the new, new classes, what was forgotten. */
import { type GrownModel, grow, inspect, type Model } from 'net2net'
import { joined, replayed, type SampleSet } from 'net2net/data'
import { classesOf, withClasses } from 'net2net/model'
import type { Evaluation } from 'net2net/training'
import { usageError } from '../errors.ts'
import { isOfClasses, loadFor, type TrainingDataOptions, trainingData } from './model-data.ts'

export interface Replay {
  /** The earlier data. */
  readonly spec: string
  /** Of old samples in each batch. */
  readonly share: number
}

/** `old.csv:20%` or `old.csv:0.2`. @throws usage where it is neither */
export function replayOf(text: string): Replay {
  const [, spec = '', digits, percent] = /^(.+):(\d*\.?\d+)(%?)$/.exec(text) ?? []
  const share = Number(digits) / (percent === '%' ? 100 : 1)
  if (spec !== '' && share > 0 && share < 1) return { spec, share }
  throw usageError(
    `--replay ${text} does not say which data and how much of each batch: --replay old.csv:20%.`,
  )
}

/** What a training learns from, in the classes of the model, which may have more of them than before. */
export interface LifelongData {
  readonly model: Model
  /** What the model grew by, where there are new classes. */
  readonly grown?: GrownModel
  readonly newClasses: readonly string[]
  /** What training sees: the new samples with a share of the old ones. */
  readonly train: SampleSet
  readonly validation: SampleSet | undefined
  /** Held-out samples of the earlier data. */
  readonly old: SampleSet | undefined
  /** How many samples of the new data there are, for records. */
  readonly samples: SampleSet
}

export interface LifelongOptions extends TrainingDataOptions {
  readonly replay?: Replay | undefined
  /** Whether data with new classes extend the model; those of a replay always do. */
  readonly extends?: boolean
}

/** @throws as loading; usage or refused where new classes cannot be added */
export async function lifelongData(
  model: Model,
  spec: string,
  { replay, extends: mayExtend = false, ...options }: LifelongOptions,
): Promise<LifelongData> {
  const specs = replay ? [replay.spec, spec] : [spec]
  const { model: extended, ...more } =
    replay || mayExtend ? await withNewClasses(model, specs, options) : { model, newClasses: [] }
  const fresh = await trainingData(extended, spec, options)
  const common = { model: extended, ...more, samples: fresh.train }
  if (!replay)
    return { ...common, train: fresh.train, validation: fresh.validation, old: undefined }
  const old = await trainingData(extended, replay.spec, options)
  const held = [fresh.validation, old.validation].filter((set) => set !== undefined)
  return {
    ...common,
    train: replayed(fresh.train, old.train, replay.share),
    validation: held.length > 0 ? joined(held) : undefined,
    old: old.validation,
  }
}

/** The model with an output for every class of the data; those that it knew keep their places. */
async function withNewClasses(
  model: Model,
  specs: readonly string[],
  options: TrainingDataOptions,
): Promise<Pick<LifelongData, 'grown' | 'model' | 'newClasses'>> {
  if (!isOfClasses(options.loss)) return { model, newClasses: [] }
  const [output] = inspect(model).outputs
  const width = output?.shape?.at(-1)
  if (!output || typeof width !== 'number') return { model, newClasses: [] }
  const names = [...(classesOf(model) ?? [])]
  let count = width
  for (const spec of specs) {
    // With its own numbering, since the model's would refuse what it does not know.
    const { train, test } = await loadFor(withoutClasses(model), spec, options)
    const own = train.classes ?? test?.classes
    if (own) for (const name of own) if (!names.includes(name)) names.push(name)
    if (!own)
      for (const { target } of [train, test].filter((set) => set !== undefined))
        for (const label of target?.data ?? []) count = Math.max(count, Number(label) + 1)
  }
  // Names of outputs that nobody has named are their numbers.
  while (names.length > 0 && names.length < count) names.push(String(names.length))
  const total = Math.max(count, names.length)
  if (total === width) return { model: named(model, names), newClasses: [] }
  const added = Array.from(
    { length: total - width },
    (_, i) => names[width + i] ?? String(width + i),
  )
  const grown = grow(model, [
    {
      extend: { outputs: { [output.name]: total - width } },
      ...(classesOf(model) ? { classes: added } : {}),
    },
  ])
  return { model: named(grown.model, names), grown, newClasses: added }
}

const named = (model: Model, names: readonly string[]): Model =>
  names.length > 0 ? withClasses(model, names) : model

const withoutClasses = (model: Model): Model => ({
  ...model,
  metadata: new Map([...model.metadata].filter(([key]) => key !== 'net2net.classes')),
})

/** How a class, or all of them, was told before and after a training. */
export interface Retention {
  readonly samples: number
  readonly before: number
  readonly after: number
}

export interface ForgettingRecord {
  /** Share of right predictions, or the loss where nothing is classified, on held-out samples of the earlier data. */
  readonly measure: 'accuracy' | 'loss'
  readonly old: Retention
  /** What is worse than before: accuracy that was lost, or loss that was added; negative where it is better. */
  readonly forgetting: number
  /** Each class of all held-out samples: share of its samples that were told right. */
  readonly perClass: readonly (Retention & { readonly class: string })[]
  readonly newClasses: readonly string[]
}

/** @param all of new and old held-out samples, before and after */
export function forgettingOf(
  old: readonly [before: Evaluation, after: Evaluation],
  all: readonly [before: Evaluation, after: Evaluation],
  newClasses: readonly string[],
): ForgettingRecord {
  const [before, after] = old
  const measure = before.accuracy === undefined ? 'loss' : 'accuracy'
  const value = (evaluation: Evaluation) => evaluation[measure] ?? Number.NaN
  const known = new Map(all[0].perClass?.map((one) => [one.class, one.recall]))
  return {
    measure,
    old: { samples: before.predictions, before: value(before), after: value(after) },
    forgetting: measure === 'loss' ? value(after) - value(before) : value(before) - value(after),
    perClass: (all[1].perClass ?? []).map(({ class: name, recall, support }) => ({
      class: name,
      samples: support,
      before: known.get(name) ?? Number.NaN,
      after: recall,
    })),
    newClasses,
  }
}

/** In lines for whoever trains. */
export function forgettingText({ measure, old, forgetting, perClass }: ForgettingRecord): string {
  const figure = (value: number) =>
    measure === 'loss' ? value.toFixed(4) : `${(100 * value).toFixed(2)}%`
  const share = (value: number) =>
    Number.isFinite(value) ? `${(100 * value).toFixed(1)}%` : 'none'
  return [
    `Earlier data: ${measure} ${figure(old.before)} before, ${figure(old.after)} after; forgotten: ${figure(forgetting)}.`,
    ...perClass.map(
      ({ class: name, samples, before, after }) =>
        `  ${name} (${samples}): ${share(before)} before, ${share(after)} after`,
    ),
  ].join('\n')
}
