/** Numbers: tensors in memory, tensors that are read when they are needed, and random streams. */
export type { DType } from './dtype.ts'
export { isFloat } from './dtype.ts'
export { type Fill, fillTensor, glorotUniform } from './fill.ts'
export { type RandomStream, randomStream } from './random.ts'
export {
  elementCount,
  float32,
  int64,
  type LazyTensor,
  materialize,
  type NumericDType,
  scalar,
  Tensor,
  type TypedArray,
  toNumbers,
} from './tensor.ts'
