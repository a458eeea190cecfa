/** The data that a model is trained or evaluated on. */
import type { Model } from 'net2net'
import { type ArrayDataset, type LoadedData, loadData, split } from 'net2net/data'
import { classesOf, columnsOf, requiredInputs } from 'net2net/model'
import {
  focal,
  klDivergence,
  type Loss,
  type LossName,
  softmaxCrossEntropy,
} from 'net2net/training'
import { usageError } from '../errors.ts'

export interface ModelDataOptions {
  /** The name of the loss: whether targets are classes. */
  readonly loss: string
  readonly target?: string | undefined
  readonly signal: AbortSignal
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

/** Loads data in the shape of the model's input, with the classes and columns that it knows. */
export function loadFor(
  model: Model,
  spec: string,
  { loss, target, signal }: ModelDataOptions,
): Promise<LoadedData> {
  const [input] = requiredInputs(model.graph)
  const shape = input?.type.kind === 'tensor' ? (input.type.shape ?? []) : []
  const dims = shape.slice(1).filter((dim) => typeof dim === 'number')
  return loadData(spec, {
    dims,
    signal,
    targetKind: isOfClasses(loss) ? 'class' : 'value',
    target,
    classes: classesOf(model),
    columns: columnsOf(model),
  })
}

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
): Promise<{ readonly train: ArrayDataset; readonly validation?: ArrayDataset }> {
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
