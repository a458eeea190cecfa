/** A model that learns from new data and keeps what it knew: earlier data among the new, new classes, what was forgotten. */
import type { GrownModel, Model } from 'net2net'
import { joined, numberedAs, replayed, type SampleSet, split } from 'net2net/data'
import { type ClassesAdded, withClassesOf } from 'net2net/growing'
import type { Evaluation, StepOptions } from 'net2net/training'
import { usageError } from '../errors.ts'
import type { ForgettingRecord } from '../runs/run-record.ts'
import {
  dataSetsOf,
  heldBack,
  isOfClasses,
  type TrainingDataOptions,
  trainingData,
} from './model-data.ts'

export interface Replay {
  /** The earlier data; none where they are those of the stages before. */
  readonly specs: readonly string[]
  /** Of old samples in each batch. */
  readonly share: number
}

/**
 * `old.csv:20%` or `old.csv:0.2`, or several as `a.csv,b.csv:20%`; in stages also `20%`: of the stages before.
 *
 * @param before data of the stages before; undefined where there are no stages
 * @returns undefined in the first stage
 * @throws usage where it is none of these
 */
export function replayOf(text: string, before?: readonly string[]): Replay | undefined {
  const [, spec, digits, percent] = /^(?:(.+):)?(\d*\.?\d+)(%?)$/.exec(text) ?? []
  const share = Number(digits) / (percent === '%' ? 100 : 1)
  const specs = spec === undefined ? before : dataSetsOf(spec)
  if (!specs || !(share > 0 && share < 1))
    throw usageError(
      `--replay ${text} does not say which data and how much of each batch: --replay old.csv:20%; with several --data, --replay 20% is of those that came before.`,
    )
  return specs.length > 0 ? { specs, share } : undefined
}

/** Samples on which is measured what was learned, or forgotten. */
export interface Measured {
  readonly samples: SampleSet
  /** Whether nothing was trained on them: where nothing is held out, they are some of the training's. */
  readonly heldOut: boolean
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
  /** Of the earlier data, and of these and the new ones. */
  readonly forgetting?: { readonly old: Measured; readonly all: Measured }
  /** How many samples of the new data there are, for records. */
  readonly samples: SampleSet
}

export interface LifelongOptions extends TrainingDataOptions {
  readonly replay?: Replay | undefined
  /** Whether data with new classes extend the model; those of a replay always do. */
  readonly extends?: boolean
}

/**
 * @param step of the training: it tells which output the classes are of
 * @throws as loading; usage or refused where new classes cannot be added
 */
export async function lifelongData(
  model: Model,
  spec: string,
  { replay, extends: mayExtend = false, ...options }: LifelongOptions,
  step: StepOptions,
): Promise<LifelongData> {
  const extend = (replay !== undefined || mayExtend) && isOfClasses(options.loss)
  // With a numbering of their own, since the model's would refuse what it does not know.
  const loading = extend ? withoutClasses(model) : model
  const load = (one: string) => trainingData(loading, one, options)
  const fresh = await load(spec)
  const earlier = []
  for (const one of replay?.specs ?? []) earlier.push(await load(one))
  const sets = [...earlier, fresh].flatMap(({ train, validation }) => [train, validation ?? train])
  const { classes, ...extended }: ClassesAdded = extend
    ? withClassesOf(model, sets, step)
    : { model, newClasses: [] }
  const inClasses = (set: SampleSet) => (classes ? numberedAs(set, classes) : set)
  const numbered = ({ train, validation }: Held): Held => ({
    train: inClasses(train),
    ...(validation && { validation: inClasses(validation) }),
  })
  const now = numbered(fresh)
  const common = { ...extended, samples: now.train }
  if (!replay) return { ...common, train: now.train, validation: now.validation }
  const old = earlier.map(numbered)
  const all = [now, ...old]
  const held = all.flatMap(({ validation }) => validation ?? [])
  return {
    ...common,
    train: replayed(now.train, joined(old.map(({ train }) => train)), replay.share),
    validation: held.length > 0 ? joined(held) : undefined,
    forgetting: {
      old: together(old.map((one) => measuredOn(one, options.seed))),
      all: together(all.map((one) => measuredOn(one, options.seed))),
    },
  }
}

type Held = Awaited<ReturnType<typeof trainingData>>

/** What is held out, or else as large a share of the training's own samples. */
export function measuredOn({ train, validation }: Held, seed: number): Measured {
  if (validation) return { samples: validation, heldOut: true }
  const { test } = split(train, heldBack, seed)
  return { samples: test.length > 0 ? test : train, heldOut: false }
}

const together = (parts: readonly Measured[]): Measured => ({
  samples: joined(parts.map(({ samples }) => samples)),
  heldOut: parts.every(({ heldOut }) => heldOut),
})

/** The model before it knew names of classes: data keep a numbering of their own with it. */
export const withoutClasses = (model: Model): Model => ({
  ...model,
  metadata: new Map([...model.metadata].filter(([key]) => key !== 'net2net.classes')),
})

/** @param all of new and old samples, before and after */
export function forgettingOf(
  old: readonly [before: Evaluation, after: Evaluation],
  all: readonly [before: Evaluation, after: Evaluation],
  { heldOut, newClasses }: Pick<ForgettingRecord, 'heldOut' | 'newClasses'>,
): ForgettingRecord {
  const [before, after] = old
  const measure = before.accuracy === undefined ? 'loss' : 'accuracy'
  const value = (evaluation: Evaluation) => evaluation[measure] ?? Number.NaN
  const known = new Map(all[0].perClass?.map((one) => [one.class, one.recall]))
  return {
    measure,
    heldOut,
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

/** What is worse than before was forgotten, what is better was gained. */
export const forgettingIn = (figure: (value: number) => string, forgetting: number): string =>
  `${forgetting < 0 ? 'gained' : 'forgotten'}: ${figure(Math.abs(forgetting))}`

/** In lines for whoever trains. */
export function forgettingText({
  measure,
  heldOut,
  old,
  forgetting,
  perClass,
}: ForgettingRecord): string {
  const figure = (value: number) =>
    measure === 'loss' ? value.toFixed(4) : `${(100 * value).toFixed(2)}%`
  const share = (value: number) =>
    Number.isFinite(value) ? `${(100 * value).toFixed(1)}%` : 'none'
  return [
    `Earlier data${heldOut ? '' : ' (samples of the training, since none are held out)'}: ${measure} ${figure(old.before)} before, ${figure(old.after)} after; ${forgettingIn(figure, forgetting)}.`,
    ...perClass
      .filter(({ samples }) => samples > 0)
      .map(
        ({ class: name, samples, before, after }) =>
          `  ${name} (${samples}): ${share(before)} before, ${share(after)} after`,
      ),
  ].join('\n')
}
