/** The operators that neural networks are named after: layers, poolings, normalizations. */

import type { Operator } from './contract/operator.ts'
import { averagePool, lpPool } from './rules/average-pool.ts'
import { batchNormalization } from './rules/batch-normalization.ts'
import { conv } from './rules/conv.ts'
import { convTranspose } from './rules/conv-transpose.ts'
import { depthSpace } from './rules/depth-space.ts'
import { dropout } from './rules/dropout.ts'
import { einsum } from './rules/einsum.ts'
import { gemm } from './rules/gemm.ts'
import { globalAveragePool, globalLpPool, globalMaxPool } from './rules/global-pool.ts'
import { groupNormalization, instanceNormalization } from './rules/instance-normalization.ts'
import { layerNormalization } from './rules/layer-normalization.ts'
import { lrn } from './rules/lrn.ts'
import { matMul } from './rules/mat-mul.ts'
import { maxPool } from './rules/max-pool.ts'
import { maxUnpool } from './rules/max-unpool.ts'
import { pRelu } from './rules/p-relu.ts'
import { resize, upsample } from './rules/resize.ts'
import { rmsNormalization, simplifiedLayerNormalization } from './rules/rms-normalization.ts'
import { runtimeFused } from './rules/runtime-fused.ts'
import { logSoftmax, softmax } from './rules/softmax.ts'

export const neuralNetworkOperators: readonly Operator[] = [
  conv,
  convTranspose,
  gemm,
  matMul,
  einsum,
  maxPool,
  maxUnpool,
  averagePool,
  lpPool,
  globalAveragePool,
  globalMaxPool,
  globalLpPool,
  batchNormalization,
  layerNormalization,
  instanceNormalization,
  groupNormalization,
  rmsNormalization,
  simplifiedLayerNormalization,
  lrn,
  softmax,
  logSoftmax,
  dropout,
  pRelu,
  resize,
  upsample,
  ...runtimeFused,
  ...depthSpace,
]
