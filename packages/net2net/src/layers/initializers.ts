/** Initializers, as functions of fan-in and fan-out. */
import {
  glorotUniform as glorot,
  heNormal as he,
  ones as one,
  zeros as zero,
} from '../tensor/fill.ts'
import type { Initializer } from './layer.ts'

/** Uniform on ±√(6 / (fan_in + fan_out)): Glorot and Bengio 2010, Keras's default for kernels. */
export const glorotUniform: Initializer = (fanIn, fanOut) => glorot(fanIn, fanOut)
/** N(0, 2 / (fan_in + fan_out)): Glorot and Bengio 2010. */
export const glorotNormal: Initializer = (fanIn, fanOut) => ({
  kind: 'normal',
  mean: 0,
  deviation: Math.sqrt(2 / (fanIn + fanOut)),
})
/** N(0, 2 / fan_in): He et al. 2015, for layers followed by a ReLU. */
export const heNormal: Initializer = (fanIn) => he(fanIn)
/** Uniform on ±√(6 / fan_in): He et al. 2015. */
export const heUniform: Initializer = (fanIn) => ({ kind: 'uniform', limit: Math.sqrt(6 / fanIn) })
/** Uniform on ±√(3 / fan_in): LeCun et al. 1998. */
export const lecunUniform: Initializer = (fanIn) => ({
  kind: 'uniform',
  limit: Math.sqrt(3 / fanIn),
})
/** N(mean, deviation²), whatever the fans. */
export const randomNormal =
  (deviation = 0.05, mean = 0): Initializer =>
  () => ({ kind: 'normal', mean, deviation })
/** Uniform on ±limit, whatever the fans. */
export const randomUniform =
  (limit = 0.05): Initializer =>
  () => ({ kind: 'uniform', limit })
export const constant =
  (value: number): Initializer =>
  () => ({ kind: 'constant', value })
export const zeros: Initializer = () => zero
export const ones: Initializer = () => one
