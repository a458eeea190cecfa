import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { load } from '../onnx/file.ts'
import {
  type Comparison,
  type ComparisonOptions,
  compareSources,
  type ModelSource,
} from './comparison.ts'
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
export async function compare(
  a: Model | string,
  b: Model | string,
  { runtime = nodeRuntime, ...options }: CompareOptions = {},
): Promise<Comparison> {
  return compareSources(runtime, await sourceOf(a), await sourceOf(b), options)
}

/** ONNX Runtime loads many broken files: our own reader refuses them first, by name and field. */
async function sourceOf(model: Model | string): Promise<ModelSource> {
  if (typeof model !== 'string') return encodeModel(model)
  await load(model)
  return model
}
