/**
 * Do two models compute the same function? Both run on the same inputs, random ones or the user's
 * own, and every element of every output is compared. Outputs that agree are no evidence yet: that
 * comes from the parts in which the models differ (see evidence.ts).
 */
import { inputError, Net2NetError } from '../errors.ts'
import type { Dim, Model } from '../model/model.ts'
import type { Feeds, Runtime, SessionValue } from '../runtime/runtime.ts'
import { type Difference, DifferenceMeter } from './difference.ts'
import { evidenceOf } from './evidence.ts'
import { indexRanges } from './index-ranges.ts'
import type { KeptAxis } from './kept.ts'
import type { Computation, RunOptions } from './out-of-core/computation.ts'
import { runTogether } from './out-of-core/run-together.ts'
import { outOfCoreSession } from './out-of-core/segmented-session.ts'
import { ownRoundings } from './own-rounding.ts'
import { inputAttempts } from './random-inputs.ts'

/** What float32 sums in another order differ by, relative to the values (`maxRel`). */
export const defaultTolerance = 1e-5

export interface ComparisonOptions {
  /** Sets of inputs to compare on, instead of random ones. */
  readonly inputs?: readonly Feeds[] | undefined
  /** How many sets of random inputs; default 4. */
  readonly samples?: number | undefined
  /** Seed of the random inputs; default 0. */
  readonly seed?: number | undefined
  /**
   * Holds to the letter where it is given. The default is 1e-5, or four times the model's own
   * rounding where that is more: deep networks differ from themselves by more than 1e-5 as soon as
   * ONNX Runtime sums in another order, which it does for other widths.
   */
  readonly tolerance?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Gets the share that is done, where models are computed in segments. */
  readonly onProgress?: ((share: number) => void) | undefined
}

/** How far the models' outputs are apart, over all elements and samples. */
export interface OutputDifference extends Difference {
  readonly name: string
  /**
   * The first model's own rounding, measured where the tolerance was not met: the largest
   * difference between its output and that of the same model in single precision where it has half, else
   * in ONNX Runtime's plain kernels, with its weights changed in their last bits (models of up to 32 MiB),
   * and with sums over large weights taken in parts. The later ones are left out where the
   * earlier ones are enough: where no output differs by more than four times what they move it by.
   */
  readonly rounding?: number
}

/** What is known of two models with one signature. */
export interface SignatureComparison {
  /**
   * false: some output differs by more than the tolerance and, where none was given, by more than four
   * of the first model's own roundings. true: none does, and all parts in which the models differ
   * compute the same on random numbers, which would have shown a mistake in any layer that differs.
   * null: none does, but a mistake in the layers of `notExercised` could have been overlooked.
   */
  readonly equal: boolean | null
  readonly tolerance: number
  /** Number of input sets compared. */
  readonly samples: number
  readonly outputs: readonly OutputDifference[]
  /** Present where `equal` is null. */
  readonly notExercised?: readonly string[]
}

export interface Comparison extends Omit<SignatureComparison, 'equal'> {
  /**
   * 'kept': the second model has more entries of outputs or inputs (`kept`), and as far as the first one goes, this would be
   * true. Otherwise as where both have one signature.
   */
  readonly equal: SignatureComparison['equal'] | 'kept'
  /** Axes of which only the entries of the first model are compared, since the second has more. */
  readonly kept?: readonly KeptAxis[]
}

/** A model to compare. */
export interface Subject {
  /**
   * Its ONNX file, as bytes or, where the runtime can read files, as a path: computed as a whole.
   * Left out, it is computed in segments, in memory that does not depend on its size.
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
): Promise<SignatureComparison> {
  const { feeds, report, isWithin } = await compareOutputs(runtime, a, b, options)
  if (!isWithin) return { ...report, equal: false }
  const { seed, signal, tolerance } = options
  const evidence = await evidenceOf(runtime, a.model, b.model, feeds[0]!, {
    seed,
    signal,
    tolerance,
  })
  return evidence.isComplete
    ? { ...report, equal: true }
    : { ...report, equal: null, notExercised: evidence.notExercised }
}

/** The ranges of indices that both models accept. */
function rangesOf(a: Model, b: Model): ReadonlyMap<string, number> {
  const [ranges, others] = [indexRanges(a), indexRanges(b)]
  return new Map(
    [...ranges].map(([name, size]) => [name, Math.min(size, others.get(name) ?? size)]),
  )
}

interface OutputComparison {
  readonly feeds: readonly Feeds[]
  readonly report: Omit<SignatureComparison, 'equal'>
  /** Is no output further from the first model's than it may be? */
  readonly isWithin: boolean
}

async function compareOutputs(
  runtime: Runtime,
  a: Subject,
  b: Subject,
  options: ComparisonOptions,
): Promise<OutputComparison> {
  const { tolerance = defaultTolerance } = options
  return using(open(runtime, a), async (first) => {
    const { feeds, outputs } = await using(open(runtime, b), (second) =>
      compareComputations(first, second, { ...options, ranges: rangesOf(a.model, b.model) }),
    )
    const report = { tolerance, samples: feeds.length, outputs }
    const within = (differences: readonly OutputDifference[]) =>
      differences.every(
        ({ maxAbs, maxRel, rounding = 0 }) =>
          maxRel <= tolerance || maxAbs <= ROUNDING_FACTOR * rounding,
      )
    if (within(outputs) || options.tolerance !== undefined)
      return { feeds, report, isWithin: within(outputs) }
    const again = { ...options, inputs: feeds, onProgress: undefined }
    const roundings = ownRoundings(
      runtime,
      first,
      a.model,
      async (other) => (await compareComputations(first, other, again)).outputs,
    )
    let rounded: readonly OutputDifference[] = outputs
    for await (const largest of roundings) {
      rounded = outputs.map((output, i) => ({ ...output, rounding: largest[i]! }))
      if (within(rounded)) break
    }
    return { feeds, report: { ...report, outputs: rounded }, isWithin: within(rounded) }
  })
}

async function open(runtime: Runtime, { file, model }: Subject): Promise<Computation> {
  if (file === undefined) return outOfCoreSession(runtime, model)
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
  options: ComparisonOptions & { readonly ranges?: ReadonlyMap<string, number> },
): Promise<{ readonly feeds: readonly Feeds[]; readonly outputs: readonly OutputDifference[] }> {
  const { seed = 0, samples = 4, signal, onProgress } = options
  mustCorrespond(a, b)
  const measure = async (feeds: readonly Feeds[]) => {
    const [before, after] = await runBoth(a, b, feeds, { signal, onProgress })
    const outputs = a.outputs.map(({ name }) => {
      const meter = new DifferenceMeter()
      before.forEach((values, i) => {
        meter.add(values[name]!, after[i]![name]!)
      })
      return { name, ...meter.result() }
    })
    return { feeds, outputs }
  }

  if (options.inputs) return measure(options.inputs)
  // Symbolic sizes and index ranges are guesses: the first guess that both models accept is kept.
  let failure: Net2NetError | undefined
  for (const draw of inputAttempts(a.inputs, b.inputs, seed, options.ranges))
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
  { signal, onProgress }: Omit<RunOptions, 'peer'>,
): Promise<readonly [readonly Feeds[], readonly Feeds[]]> {
  if (a.isStreamed && b.isStreamed) return runTogether(a, b, feeds, { signal, onProgress })
  const half = (at: number) => ({ signal, onProgress: (x: number) => onProgress?.(at + x / 2) })
  const before = await a.run(feeds, half(0))
  return [before, await b.run(feeds, half(0.5))]
}

type Signature = Pick<Computation, 'inputs' | 'outputs'>

function mustCorrespond(a: Signature, b: Signature): void {
  mustAgree(
    a.inputs,
    b.inputs,
    (one, other) =>
      `The models cannot compute the same: the inputs of one are ${one}, those of the other ${other}.`,
  )
  mustAgree(
    a.outputs,
    b.outputs,
    (one, other) =>
      `The models cannot compute the same: the outputs of one are ${one}, those of the other ${other}.`,
  )
  mustFit(a.inputs, b.inputs)
}

function mustAgree(
  a: readonly SessionValue[],
  b: readonly SessionValue[],
  message: (one: string, other: string) => string,
): void {
  const describe = (values: readonly SessionValue[]) =>
    values.map(({ name, dtype }) => `${name} (${dtype ?? 'not a tensor'})`).sort()
  const [first, second] = [describe(a), describe(b)]
  if (`${first}` !== `${second}`)
    throw new Net2NetError('difference', message(first.join(', '), second.join(', ')))
}

/** No input may have one size here and another there. */
function mustFit(a: readonly SessionValue[], b: readonly SessionValue[]): void {
  const counterparts = new Map(b.map(({ name, shape }) => [name, shape]))
  const show = (shape: readonly Dim[]) => `[${shape.map((dim) => dim ?? '?').join(', ')}]`
  for (const { name, shape } of a) {
    const counterpart = counterparts.get(name)!
    // The shape of an input need not be known.
    if (shape.length === 0 || counterpart.length === 0) continue
    const fits =
      shape.length === counterpart.length &&
      shape.every(
        (dim, i) =>
          [dim, counterpart[i]].some((d) => typeof d !== 'number') || dim === counterpart[i],
      )
    if (!fits)
      throw new Net2NetError(
        'difference',
        `The models cannot compute the same: input "${name}" is ${show(shape)} in one and ${show(counterpart)} in the other.`,
      )
  }
}
