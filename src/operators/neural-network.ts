/** The operators that neural networks are named after: layers, poolings, normalizations. */
import { averagePool, lpPool } from './average-pool.ts'
import { batchNormalization } from './batch-normalization.ts'
import { conv } from './conv.ts'
import { convTranspose } from './conv-transpose.ts'
import { depthSpace } from './depth-space.ts'
import { dropout } from './dropout.ts'
import { gemm } from './gemm.ts'
import { globalAveragePool, globalLpPool, globalMaxPool } from './global-pool.ts'
import { groupNormalization, instanceNormalization } from './instance-normalization.ts'
import { layerNormalization } from './layer-normalization.ts'
import { lrn } from './lrn.ts'
import { matMul } from './mat-mul.ts'
import { maxPool } from './max-pool.ts'
import type { Operator } from './operator.ts'
import { logSoftmax, softmax } from './softmax.ts'

export const neuralNetworkOperators: readonly Operator[] = [
  conv,
  convTranspose,
  gemm,
  matMul,
  maxPool,
  averagePool,
  lpPool,
  globalAveragePool,
  globalMaxPool,
  globalLpPool,
  batchNormalization,
  layerNormalization,
  instanceNormalization,
  groupNormalization,
  lrn,
  softmax,
  logSoftmax,
  dropout,
  ...depthSpace,
]
