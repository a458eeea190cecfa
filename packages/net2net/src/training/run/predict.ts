/** Runs a model on samples, batch by batch. */
import { floatsOfBytes } from '../../data/channel-layout.ts'
import { ArrayDataset } from '../../data/dataset.ts'
import type { InputBatch, InputStream } from '../../data/inputs.ts'
import { inputsOf } from '../../data/model-input.ts'
import { knownNormalization } from '../../data/normalize.ts'
import { mustBeOneOf, Net2NetError, usageError } from '../../errors.ts'
import { type Model, requiredInputs } from '../../model/model.ts'
import type { Activation } from '../../model/output-meaning.ts'
import { preparationOf } from '../../model/preparation.ts'
import { mainOutput, withTensorOutputs } from '../../model/tensor-outputs.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { inFloat32 } from '../../passes/single-precision.ts'
import { withSymbolicBatch } from '../../passes/symbolic-batch.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
import type { Feeds, Runtime, SessionOptions } from '../../runtime/runtime.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { elementCount, type Tensor } from '../../tensor/tensor.ts'
import { forServing, withConstantsAsInitializers } from '../compile/trainable.ts'
import { samplesPerRun } from './evaluate.ts'
import { inputsAdapter } from './feeds.ts'
import { throwIfAborted } from './interrupted.ts'
import { piecesOfRows } from './pieces.ts'
import { outputKind, type Prediction, predictionOf } from './probabilities.ts'

export type { Prediction } from './probabilities.ts'

/** Samples to predict for: a set of samples (their targets are not looked at), a stream, or batches. */
export type PredictData =
  | { batches(size: number): Iterable<InputBatch> | AsyncIterable<InputBatch> }
  | InputStream
  | AsyncIterable<InputBatch>
  | Iterable<InputBatch>

export interface PredictOptions {
  readonly runtime: Runtime
  /** Samples per run at most; default 100. Fewer where their values would not fit into the processor's caches. */
  readonly batchSize?: number | undefined
  /** Which of the model's outputs to compute. Default: all. */
  readonly outputs?: readonly string[] | undefined
  /**
   * What makes probabilities of the (first) output, where the model does not tell or tells otherwise. `none`: its
   * numbers are quantities. Where the graph ends in it already, it is not applied again.
   */
  readonly activation?: Activation | 'none' | undefined
  /** The axis of the classes of the (first) output, from the back where negative. */
  readonly axis?: number | undefined
  readonly session?: SessionOptions | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is predicted for a batch. */
export interface PredictionBatch {
  /** How many samples it has. */
  readonly length: number
  /** By the names of the model's outputs. */
  readonly outputs: Readonly<Record<string, Prediction>>
  /** What each sample is called, where it has a name: the file of a picture. */
  readonly names?: readonly string[]
}

/**
 * What a model predicts for samples, batch by batch, in their order: memory does not depend on how many there
 * are. Of outputs of classes come the probabilities and the most probable class, of all others the
 * values. Half and double precision are computed in float32.
 *
 * @throws usage for an output that there is not, or batches of a size that the model does not take; input
 *   where the samples do not fit; refused for an output whose first axis is not the samples'
 */
export async function* predict(
  model: Model,
  data: PredictData,
  options: PredictOptions,
): AsyncGenerator<PredictionBatch, void> {
  const { runtime, batchSize = 100, session: sessionOptions, signal } = options
  if (!(Number.isInteger(batchSize) && batchSize >= 1))
    throw usageError(`batchSize must be a whole number from 1 on, not ${batchSize}.`)
  if (options.activation !== undefined)
    mustBeOneOf('activation', options.activation, ['softmax', 'sigmoid', 'none'])
  const served = inAnyBatch(inFloat32(forServing(withTensorOutputs(model))).model)
  const wanted = outputsOf(served, options.outputs)
  const main = mainOutput(model)
  const asked = wanted.find((name) => name === main) ?? wanted[0]
  const kinds = wanted.map((name) => outputKind(model, name, name === asked ? options : {}))
  const inputs = requiredInputs(served.graph)
  const fixed = fixedBatch(served)
  const size = fixed ?? samplesPerRun(served, batchSize, options)
  const adapt = inputsAdapter({ model: served, inputs: inputs.map(({ name }) => name) })
  const ready = picturesReady(model)
  const session = await runtime.createSession(encodeModel(served), sessionOptions)
  const run = async (feeds: Feeds): Promise<PredictionBatch> => {
    throwIfAborted(signal)
    const length = feeds[inputs[0]?.name ?? '']?.dims[0] ?? 1
    if (fixed !== undefined && length !== fixed)
      throw usageError(
        `The model takes batches of exactly ${fixed}, but this batch has ${length} samples; export it with a dynamic batch.`,
      )
    const results = await session.run(feeds, wanted)
    const outputs: Record<string, Prediction> = {}
    for (const [i, name] of wanted.entries()) {
      const values = results[name]!
      if (values.dims[0] !== length) throw notOfSamples(name, values, length)
      outputs[name] = predictionOf(kinds[i]!, values)
    }
    return { length, outputs }
  }
  try {
    const together = runsTogether(data, size)
    const piecesOf = piecesOfRows(size)
    for await (const batch of batchesOf(data, together * size)) {
      const feeds: Record<string, Tensor> = {}
      adapt(ready(batch), feeds)
      const { names } = batch
      const made: PredictionBatch[] = []
      let since = performance.now()
      try {
        for (const piece of together === 1 ? [feeds] : piecesOfFeeds(feeds, piecesOf)) {
          const prediction = await run(piece)
          made.push(names ? { ...prediction, names } : prediction)
          if (performance.now() - since < mostDelay) continue
          yield* made.splice(0)
          since = performance.now()
        }
      } finally {
        // What was predicted before a run failed; there is nothing left where the caller has had enough.
        yield* made
      }
    }
  } finally {
    await session.release()
  }
}

/** So many milliseconds predictions of small runs wait at most for those of the next ones. */
const mostDelay = 1
/** Up to so many numbers are read together: they stay in a cache until they are needed. */
const numbersRead = 2 ** 15

/**
 * For how many runs samples are read at once. A run pushes everything else out of the processor's caches. So what happens around runs takes a third less time
 * where it is done for many of them at once. Samples that are not in memory may take long to come. They are not read ahead.
 */
function runsTogether(data: PredictData, size: number): number {
  if (!(data instanceof ArrayDataset)) return 1
  const numbers = Object.values(data.inputs).reduce((sum, { dims }) => sum + elementCount(dims), 0)
  return Math.max(1, Math.floor(numbersRead / Math.max(1, numbers * size)))
}

function* piecesOfFeeds(
  feeds: Feeds,
  piecesOf: (tensor: Tensor) => readonly Tensor[],
): Generator<Feeds> {
  const cut = Object.entries(feeds).map(([name, tensor]) => [name, piecesOf(tensor)] as const)
  for (let i = 0; i < (cut[0]?.[1].length ?? 0); i++) {
    const piece: Record<string, Tensor> = {}
    for (const [name, pieces] of cut) piece[name] = pieces[i]!
    yield piece
  }
}

/** Bytes of pictures become numbers as in the training, where the model tells how. */
function picturesReady(model: Model): (batch: InputBatch) => InputBatch {
  const preparation = preparationOf(model)
  if (preparation?.kind !== 'pictures') return (batch) => batch
  const isFloat = inputsOf(model).every(({ dtype }) => dtypes[dtype].kind === 'float')
  const normalization = knownNormalization(preparation)
  const ready = (tensor: Tensor, name: string): Tensor =>
    tensor.dtype === 'uint8' && isFloat ? floatsOfBytes(tensor, normalization, name) : tensor
  return (batch) => ({
    ...batch,
    inputs: Object.fromEntries(
      Object.entries(batch.inputs).map(([name, tensor]) => [name, ready(tensor, `input ${name}`)]),
    ),
  })
}

/** The model for batches of any size, where it is written for one and that is exact. */
function inAnyBatch(model: Model): Model {
  if (fixedBatch(model) === undefined) return model
  try {
    return withSymbolicBatch(upgrade(withConstantsAsInitializers(model)))
  } catch (error) {
    // What cannot be brought up to date runs as it is.
    if (error instanceof Net2NetError) return model
    throw error
  }
}

function fixedBatch({ graph }: Model): number | undefined {
  const sizes = requiredInputs(graph).map(({ type }) =>
    type.kind === 'tensor' ? type.shape?.[0] : undefined,
  )
  return sizes.find((size) => typeof size === 'number')
}

function outputsOf({ graph }: Model, wanted: readonly string[] | undefined): readonly string[] {
  const names = graph.outputs.map(({ name }) => name)
  for (const name of wanted ?? [])
    if (!names.includes(name))
      throw usageError(`The model has no output "${name}"; it has ${names.join(', ')}.`)
  return wanted ?? names
}

const notOfSamples = (name: string, { dims }: Tensor, length: number) =>
  new Net2NetError(
    'refused',
    `The model's output "${name}" has the shape [${dims.join(', ')}] for ${length} samples: it is not one prediction for each.`,
    { where: name, hint: 'Choose among the outputs to leave it out.' },
  )

function batchesOf(
  data: PredictData,
  size: number,
): Iterable<InputBatch> | AsyncIterable<InputBatch> {
  return 'batches' in data ? data.batches(size) : data
}
