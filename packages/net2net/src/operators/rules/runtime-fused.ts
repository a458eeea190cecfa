/**
 * Operators that appear only in files which a runtime has optimized for itself, and MaxUnpool.
 * They are known so that the reason why they do not grow can be said; the rest of the graph grows.
 */
import { intsAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import { unsupported } from '../contract/answers.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import { attributeList } from '../helpers/windows.ts'
import { conv } from './conv.ts'
import { gemm } from './gemm.ts'

const reason = "was fused by a runtime's optimizer: grow the model from before that optimization"

const fused = (name: string, infer: Operator['infer']): Operator => ({
  name,
  domain: 'com.microsoft',
  infer,
  axes: unsupported(reason),
  gradient: unsupported(reason),
  scaling: 'none',
  sign: 'unknown',
})

const same: InferRule = (context) => [inferredFrom(context, context.shape(0))]
const unknown = unsupported('its output types are taken from the file')

export const fusedOperators: readonly Operator[] = [
  fused('FusedConv', conv.infer),
  fused('FusedGemm', gemm.infer),
  fused('FusedMatMul', unknown),
  fused('TransposeMatMul', unknown),
  fused('SkipLayerNormalization', same),
  fused('SkipSimplifiedLayerNormalization', same),
  fused('EmbedLayerNormalization', unknown),
  fused('Attention', unknown),
  fused('MultiHeadAttention', unknown),
  fused('GroupQueryAttention', unknown),
  fused('BiasGelu', same),
  fused('FastGelu', same),
  fused('QuickGelu', same),
  fused('BiasSplitGelu', unknown),
  fused('NhwcConv', unknown),
  fused('MatMulNBits', unknown),
]

/** Sizes: the third input, or those that the pooling attributes lead back to. */
const unpooled: InferRule = (context) => {
  const shape = context.shape(0)
  const wanted = context.has(2) ? context.constant(2) : undefined
  if (wanted) return [inferredFrom(context, toNumbers(wanted))]
  const kernel = intsAttribute(context.node, 'kernel_shape')
  if (!shape || !kernel || context.has(2))
    return [
      inferredFrom(
        context,
        shape?.map((dim, i): Dim => (i < 2 ? dim : null)),
      ),
    ]
  const rank = kernel.length
  const strides = attributeList(context.node, 'strides', rank, 1)
  const pads = attributeList(context.node, 'pads', 2 * rank, 0)
  return [
    inferredFrom(
      context,
      shape.map((dim, i): Dim => {
        if (i < 2) return dim
        const a = i - 2
        return typeof dim === 'number'
          ? (dim - 1) * strides[a]! - pads[a]! - pads[rank + a]! + kernel[a]!
          : null
      }),
    ),
  ]
}

export const maxUnpool: Operator = {
  name: 'MaxUnpool',
  infer: unpooled,
  axes: unsupported('reads positions that count through all channels'),
  gradient: unsupported('it has no gradient rule yet'),
  scaling: 'none',
  sign: 'unknown',
}
