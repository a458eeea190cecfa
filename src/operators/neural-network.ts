/** The operators that neural networks are named after: layers, poolings, normalizations. */
import { averagePool, lpPool } from './average-pool.ts'
import { batchNormalization } from './batch-normalization.ts'
import { conv } from './conv.ts'
import { convTranspose } from './conv-transpose.ts'
import { depthSpace } from './depth-space.ts'
import { dropout } from './dropout.ts'
import { einsum } from './einsum.ts'
import { gemm } from './gemm.ts'
import { globalAveragePool, globalLpPool, globalMaxPool } from './global-pool.ts'
import { groupNormalization, instanceNormalization } from './instance-normalization.ts'
import { layerNormalization } from './layer-normalization.ts'
import { lrn } from './lrn.ts'
import { matMul } from './mat-mul.ts'
import { maxPool } from './max-pool.ts'
import type { Operator } from './operator.ts'
import { fusedOperators, maxUnpool } from './optimized.ts'
import { pRelu } from './p-relu.ts'
import { resize, upsample } from './resize.ts'
import { rmsNormalization, simplifiedLayerNormalization } from './rms-normalization.ts'
import { logSoftmax, softmax } from './softmax.ts'

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
  ...fusedOperators,
  ...depthSpace,
]
