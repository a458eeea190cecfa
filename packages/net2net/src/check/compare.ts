import { load } from '#file'
import { defaultRuntime } from '#runtime'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import type { Runtime } from '../runtime/runtime.ts'
import {
  type Comparison,
  type ComparisonOptions,
  compareSubjects,
  type Subject,
} from './comparison.ts'
import { stoppable } from './out-of-core/abort.ts'

export interface CompareOptions extends ComparisonOptions {
  /** Default: ONNX Runtime in Node or in this browser, on the CPU. */
  readonly runtime?: Runtime
  /**
   * Models with more bytes of weights than this are computed in stretches, in memory that does not
   * depend on their size; default 32 MiB.
   */
  readonly wholeUpTo?: number
}

/** A model whose file is still being written. */
export interface Upcoming {
  readonly model: Model
  /** The model as the file has it, as soon as that can be read (`onReadable` of `save`). */
  readonly written: Promise<Model>
  /** The path of the file, as soon as it is there. */
  readonly file: Promise<string>
}

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. They are equal where every |Δ| ≤ tolerance · max(1, |y|).
 *
 * Of an upcoming model, the file is what counts. Where models are computed in stretches, `a` is
 * computed while it is being written, and then the file as far as it has come.
 *
 * @throws difference where their inputs or outputs have other names or types; input where one of
 *   them does not load or run; whatever an upcoming file fails with
 */
export async function compare(
  a: Model | string,
  b: Model | string | Upcoming,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { runtime = defaultRuntime, wholeUpTo = 2 ** 25, ...others } = options
  // ONNX Runtime loads many broken files: our own reader refuses them first, by name and field.
  const models = [await modelOf(a), await modelOf(b)] as const
  const whole = models.every((model) => bytesOfWeights(model) <= wholeUpTo)
  if (isUpcoming(b)) {
    if (whole) return compare(a, await b.file, options)
    return stoppable(options.signal, (stop) => {
      b.file.catch((cause) => stop.abort(cause))
      const second = { model: b.model, written: () => b.written }
      const limits = { ...others, signal: stop.signal }
      return compareSubjects(runtime, { model: models[0] }, second, limits)
    })
  }
  const subject = (given: Model | string, model: Model): Subject =>
    whole ? { file: typeof given === 'string' ? given : encodeModel(model), model } : { model }
  return compareSubjects(runtime, subject(a, models[0]), subject(b, models[1]), others)
}

const isUpcoming = (given: Model | string | Upcoming): given is Upcoming =>
  typeof given === 'object' && 'file' in given

const modelOf = async (given: Model | string | Upcoming): Promise<Model> =>
  typeof given === 'string' ? load(given) : isUpcoming(given) ? given.model : given

function bytesOfWeights({ graph }: Model): number {
  let bytes = 0
  for (const { tensor } of graph.initializers.values()) bytes += tensor.byteLength
  return bytes
}
