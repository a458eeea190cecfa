/** A small Keras-like builder of networks. */
export { type Activation, activation, relu, softmax } from './activations.ts'
export { add, concatenate, residual } from './combine.ts'
export * as initializers from './initializers.ts'
export type { Initializer, Layer } from './layer.ts'
export {
  averagePool2d,
  type BatchNormOptions,
  batchNorm,
  type Conv2dOptions,
  conv2d,
  dense,
  dropout,
  flatten,
  globalAveragePool2d,
  type KernelOptions,
  maxPool2d,
  type PoolOptions,
} from './layers.ts'
export { type SequentialOptions, sequential } from './sequential.ts'
export type { Padding, Pair } from './window.ts'
