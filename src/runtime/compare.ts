import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { type Comparison, type ComparisonOptions, compareSources } from './comparison.ts'
import { nodeRuntime } from './node.ts'
import type { Runtime } from './runtime.ts'

export interface CompareOptions extends ComparisonOptions {
  /** Default: ONNX Runtime in Node, on the CPU. */
  readonly runtime?: Runtime
}

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. They are equal where every |Δ| ≤ tolerance · max(1, |y|).
 *
 * @throws difference where their inputs or outputs have other names or types; input where one of
 *   them does not load or run
 */
export function compare(
  a: Model | string,
  b: Model | string,
  { runtime = nodeRuntime, ...options }: CompareOptions = {},
): Promise<Comparison> {
  const source = (model: Model | string) => (typeof model === 'string' ? model : encodeModel(model))
  return compareSources(runtime, source(a), source(b), options)
}
