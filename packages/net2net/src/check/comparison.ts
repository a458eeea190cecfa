/**
 * Do two models compute the same function? Both run on the same inputs, random ones or the
 * user's own, and every element of every output is compared.
 */
import { inputError, Net2NetError } from '../errors.ts'
import type { Dim, Model } from '../model/model.ts'
import type { LinearFormOf } from '../operators/contract/slicing.ts'
import { inSinglePrecision, singleFeeds } from '../passes/single-precision.ts'
import type { Feeds, Runtime, SessionValue } from '../runtime/runtime.ts'
import { type Tensor, toNumbers } from '../tensor/tensor.ts'
import {
  type Computation,
  type RunOptions,
  runTogether,
  type StreamOptions,
  streamedSession,
} from './out-of-core/segmented-session.ts'
import { inputAttempts } from './random-inputs.ts'

/** |Δ| ≤ tolerance · max(1, |y|) counts as equal: what float32 sums in another order differ by. */
export const defaultTolerance = 1e-5

export interface ComparisonOptions {
  /** Sets of inputs to compare on, instead of random ones. */
  readonly inputs?: readonly Feeds[]
  /** How many sets of random inputs; default 4. */
  readonly samples?: number
  /** Seed of the random inputs; default 0. */
  readonly seed?: number
  /**
   * Holds to the letter where it is given. The default is 1e-5, or four times the model's own
   * rounding where that is more: deep networks differ from themselves by more than 1e-5 as soon as
   * ONNX Runtime sums in another order, which it does for other widths.
   */
  readonly tolerance?: number
  /** Which nodes can take a large weight in slices (`linearFormOf` of the operators). */
  readonly linearForm?: LinearFormOf
  readonly signal?: AbortSignal
  /** Gets the share that is done, where models are computed in stretches. */
  readonly onProgress?: ((share: number) => void) | undefined
}

export interface OutputDifference {
  readonly name: string
  /** max |Δ| over all elements and samples; infinite where the outputs cannot be compared. */
  readonly maxAbs: number
  /** max |Δ| / max(1, |y|), y being the first model's output. */
  readonly maxRel: number
  /**
   * The first model's own rounding, measured where the tolerance was not met: the largest
   * difference between its output and that of the same model in ONNX Runtime's plain kernels,
   * with sums over large weights taken in parts, and in single precision where it has half.
   */
  readonly rounding?: number
  /** Why the outputs cannot be compared: different shapes, or NaN on one side. */
  readonly problem?: string
}

export interface Comparison {
  /** Whether every output's maxRel is within the tolerance, or its maxAbs within four roundings. */
  readonly equal: boolean
  readonly tolerance: number
  /** Number of input sets compared. */
  readonly samples: number
  readonly outputs: readonly OutputDifference[]
}

/** A model to compare. */
export interface Subject {
  /**
   * Its ONNX file, as bytes or, where the runtime can read files, as a path: computed as a whole.
   * Left out, it is computed in stretches, in memory that does not depend on its size.
   */
  readonly file?: Uint8Array | string
  readonly model: Model
}

/**
 * Compares two ONNX models on a runtime. See `inputAttempts` for the ranges of random inputs.
 *
 * @throws difference where inputs or outputs have other names or types; input where a model does
 *   not load or run
 */
export async function compareSubjects(
  runtime: Runtime,
  a: Subject,
  b: Subject,
  options: ComparisonOptions = {},
): Promise<Comparison> {
  const { linearForm, tolerance = defaultTolerance } = options
  const first = await open(runtime, a, linearForm)
  try {
    const { feeds, outputs } = await using(open(runtime, b, linearForm), (second) =>
      compareComputations(first, second, options),
    )
    const equal = outputs.every(({ maxRel }) => maxRel <= tolerance)
    const report = { equal, tolerance, samples: feeds.length, outputs }
    const beyond = outputs.some(({ maxRel }) => maxRel > MAX_ROUNDING)
    if (equal || beyond || options.tolerance !== undefined) return report
    const again = { ...options, inputs: feeds, onProgress: undefined }
    const own = await ownRounding(runtime, first, a.model, again)
    const rounded = outputs.map((output, i) => ({ ...output, rounding: own[i]!.maxAbs }))
    return {
      ...report,
      equal: rounded.every(
        ({ maxAbs, maxRel, rounding }) =>
          maxRel <= tolerance || maxAbs <= ROUNDING_FACTOR * rounding,
      ),
      outputs: rounded,
    }
  } finally {
    await first.release()
  }
}

async function open(
  runtime: Runtime,
  { file, model }: Subject,
  linearForm: LinearFormOf | undefined,
): Promise<Computation> {
  if (file === undefined) return streamedSession(runtime, model, { linearForm })
  const session = await runtime.createSession(file)
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    isStreamed: false,
    async run(samples, { signal } = {}) {
      const results: Feeds[] = []
      for (const feeds of samples) {
        signal?.throwIfAborted()
        results.push(await session.run(feeds))
      }
      return results
    },
    release: () => session.release(),
  }
}

/**
 * How far the outputs move where the same function is rounded otherwise: in single precision where
 * the model has half, else with its sums in another order.
 */
async function ownRounding(
  runtime: Runtime,
  computation: Computation,
  model: Model,
  options: ComparisonOptions,
): Promise<readonly OutputDifference[]> {
  const { linearForm } = options
  const measure = async (other: Computation) =>
    (await compareComputations(computation, other, options)).outputs
  const single = inSinglePrecision(model)
  if (single)
    try {
      const other = streamedSession(runtime, single, { linearForm, ...ORDERS[0] })
      return await measure(takingHalf(computation, other))
    } catch (cause) {
      // Some operators of a runtime's own exist in half precision alone.
      if (!(cause instanceof Net2NetError) || cause.kind !== 'input') throw cause
    }
  const found: (readonly OutputDifference[])[] = []
  for (const order of ORDERS)
    found.push(await measure(streamedSession(runtime, model, { linearForm, ...order })))
  return computation.outputs.map((_, i) =>
    found.map((outputs) => outputs[i]!).reduce((a, b) => (b.maxAbs > a.maxAbs ? b : a)),
  )
}

/**
 * Other orders of a model's sums: in parts where products are large, and as plain kernels have
 * them. Either may happen to move the outputs little.
 */
const ORDERS: readonly StreamOptions[] = [
  { optimization: 'basic', blockBytes: 2 ** 14, sumParts: 3 },
  { optimization: 'basic', blockBytes: 2 ** 25 },
]

/** A computation in single precision in the place of one in half. */
const takingHalf = ({ inputs, outputs }: Computation, single: Computation): Computation => ({
  ...single,
  inputs,
  outputs,
  run: (samples, options) => single.run(samples.map(singleFeeds), options),
})

/** Nothing above this passes for rounding. */
const MAX_ROUNDING = 1e-2
/** One other order of the sums shows how much rounding there is, not the most that there can be. */
const ROUNDING_FACTOR = 4

async function using<T>(
  opening: Promise<Computation>,
  use: (computation: Computation) => Promise<T>,
): Promise<T> {
  const computation = await opening
  try {
    return await use(computation)
  } finally {
    await computation.release()
  }
}

async function compareComputations(
  a: Computation,
  b: Computation,
  options: ComparisonOptions,
): Promise<{ readonly feeds: readonly Feeds[]; readonly outputs: readonly OutputDifference[] }> {
  const { seed = 0, samples = 4, signal, onProgress } = options
  mustCorrespond(a, b)
  const measure = async (feeds: readonly Feeds[]) => {
    const [before, after] = await runBoth(a, b, feeds, { signal, onProgress })
    const outputs = a.outputs.map(({ name }) => {
      const meter = new Meter(name)
      before.forEach((values, i) => {
        meter.add(values[name]!, after[i]![name]!)
      })
      return meter.result()
    })
    return { feeds, outputs }
  }

  if (options.inputs) return measure(options.inputs)
  // Symbolic sizes and index ranges are guesses: the first guess that both models accept is kept.
  let failure: Net2NetError | undefined
  for (const draw of inputAttempts(a.inputs, b.inputs, seed))
    try {
      return await measure(Array.from({ length: samples }, (_, i) => draw(i)))
    } catch (cause) {
      // What is wrong with a file (then `where` names it) is wrong with any inputs.
      const refused =
        cause instanceof Net2NetError && cause.kind === 'input' && cause.where === undefined
      if (!refused || signal?.aborted) throw cause
      failure ??= cause
    }
  throw inputError(
    `No random inputs suit both models (${failure?.message}); give inputs of your own.`,
    { cause: failure },
  )
}

/** Both models' outputs for each set of inputs. */
async function runBoth(
  a: Computation,
  b: Computation,
  feeds: readonly Feeds[],
  { signal, onProgress }: Omit<RunOptions, 'participant'>,
): Promise<readonly [readonly Feeds[], readonly Feeds[]]> {
  if (a.isStreamed && b.isStreamed) return runTogether(a, b, feeds, { signal, onProgress })
  const half = (at: number) => ({ signal, onProgress: (x: number) => onProgress?.(at + x / 2) })
  const before = await a.run(feeds, half(0))
  return [before, await b.run(feeds, half(0.5))]
}

type Signature = Pick<Computation, 'inputs' | 'outputs'>

function mustCorrespond(a: Signature, b: Signature): void {
  mustAgree('input', a.inputs, b.inputs)
  mustAgree('output', a.outputs, b.outputs)
  mustFit(a.inputs, b.inputs)
}

function mustAgree(what: string, a: readonly SessionValue[], b: readonly SessionValue[]): void {
  const describe = (values: readonly SessionValue[]) =>
    values.map(({ name, dtype }) => `${name} (${dtype ?? 'not a tensor'})`).sort()
  const [first, second] = [describe(a), describe(b)]
  if (`${first}` !== `${second}`)
    throw new Net2NetError(
      'difference',
      `The models cannot compute the same: the ${what}s of one are ${first.join(', ')}, those of the other ${second.join(', ')}.`,
    )
}

/** No input may have one size here and another there. */
function mustFit(a: readonly SessionValue[], b: readonly SessionValue[]): void {
  const twins = new Map(b.map(({ name, shape }) => [name, shape]))
  const show = (shape: readonly Dim[]) => `[${shape.map((dim) => dim ?? '?').join(', ')}]`
  for (const { name, shape } of a) {
    const twin = twins.get(name)!
    // The shape of an input need not be known.
    if (shape.length === 0 || twin.length === 0) continue
    const fits =
      shape.length === twin.length &&
      shape.every((dim, i) => [dim, twin[i]].some((d) => typeof d !== 'number') || dim === twin[i])
    if (!fits)
      throw new Net2NetError(
        'difference',
        `The models cannot compute the same: input "${name}" is ${show(shape)} in one and ${show(twin)} in the other.`,
      )
  }
}

/** Collects the largest differences of one output over all samples. */
class Meter {
  readonly #name: string
  #maxAbs = 0
  #maxRel = 0
  #numbers = 0
  #problem: string | undefined

  constructor(name: string) {
    this.#name = name
  }

  add(a: Tensor, b: Tensor): void {
    if (`${a.dims}` !== `${b.dims}`) {
      this.#problem ??= `shapes [${a.dims}] and [${b.dims}]`
      return
    }
    const [before, after] = [values(a), values(b)]
    for (let i = 0; i < before.length; i++) {
      const [x, y] = [Number(before[i]), Number(after[i])]
      if (Number.isNaN(x) && Number.isNaN(y)) continue
      this.#numbers++
      // Infinities of one sign are equal too.
      if (x === y) continue
      const difference = Math.abs(x - y)
      if (!Number.isFinite(difference)) this.#problem ??= `${x} became ${y}`
      this.#maxAbs = Math.max(this.#maxAbs, difference)
      this.#maxRel = Math.max(this.#maxRel, difference / Math.max(1, Math.abs(x)))
    }
    if (before.length > 0 && this.#numbers === 0) this.#problem ??= 'nothing but NaN'
  }

  result(): OutputDifference {
    if (this.#problem !== undefined)
      return {
        name: this.#name,
        maxAbs: Number.POSITIVE_INFINITY,
        maxRel: Number.POSITIVE_INFINITY,
        problem: this.#problem,
      }
    return { name: this.#name, maxAbs: this.#maxAbs, maxRel: this.#maxRel }
  }
}

/** The elements as numbers; those of half precision come as bit patterns. */
const values = (tensor: Tensor): ArrayLike<number | bigint> =>
  tensor.dtype === 'float16' || tensor.dtype === 'bfloat16' ? toNumbers(tensor) : tensor.data
