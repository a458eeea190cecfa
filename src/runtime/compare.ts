import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { load } from '../onnx/file.ts'
import {
  type Comparison,
  type ComparisonOptions,
  compareSubjects,
  type Subject,
} from './comparison.ts'
import { nodeRuntime } from './node.ts'
import type { Runtime } from './runtime.ts'

export interface CompareOptions extends ComparisonOptions {
  /** Default: ONNX Runtime in Node, on the CPU. */
  readonly runtime?: Runtime
  /**
   * Models with more bytes of weights than this are computed in stretches, in memory that does not
   * depend on their size; default 128 MiB.
   */
  readonly wholeUpTo?: number
}

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. They are equal where every |Δ| ≤ tolerance · max(1, |y|).
 *
 * @throws difference where their inputs or outputs have other names or types; input where one of
 *   them does not load or run
 */
export async function compare(
  a: Model | string,
  b: Model | string,
  { runtime = nodeRuntime, wholeUpTo = 2 ** 27, ...options }: CompareOptions = {},
): Promise<Comparison> {
  // ONNX Runtime loads many broken files: our own reader refuses them first, by name and field.
  const models = [await modelOf(a), await modelOf(b)] as const
  const whole = models.every((model) => bytesOfWeights(model) <= wholeUpTo)
  const subject = (given: Model | string, model: Model): Subject =>
    whole ? { file: typeof given === 'string' ? given : encodeModel(model), model } : { model }
  return compareSubjects(runtime, subject(a, models[0]), subject(b, models[1]), options)
}

const modelOf = async (given: Model | string): Promise<Model> =>
  typeof given === 'string' ? load(given) : given

function bytesOfWeights({ graph }: Model): number {
  let bytes = 0
  for (const { tensor } of graph.initializers.values()) bytes += tensor.byteLength
  return bytes
}
