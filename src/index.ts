/** The public face of net2net: models in, grown models out. */
export { type ErrorKind, Net2NetError } from './errors.ts'
export { compare } from './growth/compare.ts'
export {
  applyPlan,
  type DeepenOptions,
  deepen,
  type GrowthPlan,
  type Inspection,
  inspect,
  planDeepen,
  planWiden,
  type WidenOptions,
  type Widths,
  widen,
} from './growth/index.ts'
export type { Model } from './model/model.ts'
export { load, type SaveOptions, save } from './onnx/file.ts'
export { decodeModel, encodeModel } from './onnx/index.ts'
export type { CompareOptions } from './runtime/compare.ts'
export type { Comparison } from './runtime/comparison.ts'
export { nodeRuntime } from './runtime/node.ts'
export type { Runtime, Session, SessionOptions } from './runtime/runtime.ts'
export { Tensor } from './tensor/tensor.ts'
