/** The table of operators: to support a new one is to add its file and one line here. */

import type { Node } from '../model/model.ts'
import type { Operator } from './contract/operator.ts'
import type { WeightSlicingOf } from './contract/slicing.ts'
import { activations } from './rules/activations.ts'
import { arithmetic } from './rules/arithmetic.ts'
import { attention } from './rules/attention.ts'
import { averagePool, lpPool } from './rules/average-pool.ts'
import { batchNormalization } from './rules/batch-normalization.ts'
import { centerCropPad } from './rules/center-crop-pad.ts'
import { clips } from './rules/clip.ts'
import { col2Im } from './rules/col2im.ts'
import { comparisons } from './rules/comparisons.ts'
import { concatenation } from './rules/concat.ts'
import { constants } from './rules/constant.ts'
import { controlFlow } from './rules/control-flow.ts'
import { conv } from './rules/conv.ts'
import { convTranspose } from './rules/conv-transpose.ts'
import { depthSpace } from './rules/depth-space.ts'
import { det } from './rules/det.ts'
import { dft } from './rules/dft.ts'
import { dropout } from './rules/dropout.ts'
import { einsum } from './rules/einsum.ts'
import { expansions } from './rules/expand.ts'
import { gathers } from './rules/gather.ts'
import { gathersByElement } from './rules/gather-elements.ts'
import { gemm } from './rules/gemm.ts'
import { generators } from './rules/generators.ts'
import { globalAveragePool, globalLpPool, globalMaxPool } from './rules/global-pool.ts'
import { gridSample } from './rules/grid-sample.ts'
import { identities } from './rules/identity.ts'
import { groupNormalization, instanceNormalization } from './rules/instance-normalization.ts'
import { layerNormalization } from './rules/layer-normalization.ts'
import { lpNormalization } from './rules/lp-normalization.ts'
import { lrn } from './rules/lrn.ts'
import { matMul } from './rules/mat-mul.ts'
import { mathematics } from './rules/math.ts'
import { maxPool } from './rules/max-pool.ts'
import { maxUnpool } from './rules/max-unpool.ts'
import { meanVarianceNormalization } from './rules/mean-variance-normalization.ts'
import { orderings } from './rules/ordering.ts'
import { pRelu } from './rules/p-relu.ts'
import { pads } from './rules/pad.ts'
import { quantizations } from './rules/quantize.ts'
import { recurrent } from './rules/recurrent.ts'
import { reductions } from './rules/reduce.ts'
import { regionPooling } from './rules/region-pooling.ts'
import { reshapes } from './rules/reshape.ts'
import { resize, upsample } from './rules/resize.ts'
import { reverseSequence } from './rules/reverse-sequence.ts'
import { rmsNormalization, simplifiedLayerNormalization } from './rules/rms-normalization.ts'
import { rotaryEmbedding } from './rules/rotary-embedding.ts'
import { runtimeAttention } from './rules/runtime-attention.ts'
import { runtimeFused } from './rules/runtime-fused.ts'
import { scatters } from './rules/scatter.ts'
import { shapes } from './rules/shape.ts'
import { slices } from './rules/slice.ts'
import { hardmax, logSoftmax, softmax } from './rules/softmax.ts'
import { splits } from './rules/split.ts'
import { squeezes } from './rules/squeeze.ts'
import { transposition } from './rules/transpose.ts'
import { selections } from './rules/where.ts'
import { withoutRules } from './rules/without-rules.ts'

/** The operators that neural networks are named after: layers, poolings, normalizations. */
const layers: readonly Operator[] = [
  conv,
  convTranspose,
  gemm,
  matMul,
  einsum,
  attention,
  rotaryEmbedding,
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
  lpNormalization,
  meanVarianceNormalization,
  centerCropPad,
  reverseSequence,
  softmax,
  hardmax,
  logSoftmax,
  dropout,
  pRelu,
  resize,
  upsample,
  gridSample,
  col2Im,
  det,
  dft,
  ...runtimeAttention,
  ...regionPooling,
  ...runtimeFused,
  ...depthSpace,
]

const families: readonly (readonly Operator[])[] = [
  layers,
  activations,
  arithmetic,
  mathematics,
  comparisons,
  selections,
  identities,
  constants,
  reshapes,
  transposition,
  squeezes,
  concatenation,
  slices,
  gathers,
  shapes,
  reductions,
  clips,
  splits,
  pads,
  expansions,
  generators,
  gathersByElement,
  scatters,
  orderings,
  recurrent,
  quantizations,
  controlFlow,
  withoutRules,
]

/** All supported operators, in the order of the table. */
export const operators: readonly Operator[] = families.flat()

const table: ReadonlyMap<string, Operator> = new Map(
  operators.map((operator) => [keyOf(operator.domain ?? '', operator.name), operator]),
)

function keyOf(domain: string, name: string): string {
  return `${domain === 'ai.onnx' ? '' : domain}:${name}`
}

/** The operator that a node applies, if we know it. */
export const operatorOf = (node: Pick<Node, 'domain' | 'opType'>): Operator | undefined =>
  table.get(keyOf(node.domain, node.opType))

/** How a node is computed from slices of a large weight, where its operator says so. */
export const slicingOf: WeightSlicingOf = (node, position, dims) =>
  operatorOf(node)?.execution?.slicing?.(node, position, dims)
