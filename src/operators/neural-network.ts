/** The operators that neural networks are named after: layers, poolings, normalizations. */
import { conv } from './conv.ts'
import { gemm } from './gemm.ts'
import { matMul } from './mat-mul.ts'
import { maxPool } from './max-pool.ts'
import type { Operator } from './operator.ts'
import { logSoftmax, softmax } from './softmax.ts'

export const neuralNetworkOperators: readonly Operator[] = [
  conv,
  gemm,
  matMul,
  maxPool,
  softmax,
  logSoftmax,
]
