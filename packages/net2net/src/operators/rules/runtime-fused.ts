/**
 * Operators that appear only in files which a runtime has optimized for itself. They are known, so that the
 * reason why they do not grow can be given; the rest of the graph grows.
 */
import { unsupported } from '../contract/answers.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import { conv } from './conv.ts'
import { gemm } from './gemm.ts'

const reason = "was fused by a runtime's optimizer: grow the model from before that optimization"

const fused = (
  name: string,
  infer: Operator['infer'],
  { multiplyAdds }: NonNullable<Operator['execution']> = {},
): Operator => ({
  name,
  domain: 'com.microsoft',
  infer,
  axes: unsupported(reason),
  gradient: unsupported(reason),
  scaling: 'none',
  sign: 'unknown',
  ...(multiplyAdds && { execution: { multiplyAdds } }),
})

const same: InferRule = (context) => [inferredFrom(context, context.shape(0))]
const unknown = unsupported('its output types are taken from the file')

export const runtimeFused: readonly Operator[] = [
  fused('FusedConv', conv.infer, conv.execution),
  fused('FusedGemm', gemm.infer, gemm.execution),
  fused('FusedMatMul', unknown),
  fused('TransposeMatMul', unknown),
  fused('SkipLayerNormalization', same),
  fused('SkipSimplifiedLayerNormalization', same),
  fused('EmbedLayerNormalization', unknown),
  fused('BiasGelu', same),
  fused('FastGelu', same),
  fused('QuickGelu', same),
  fused('BiasSplitGelu', unknown),
  fused('NhwcConv', unknown),
  fused('MatMulNBits', unknown),
]
