/**
 * Gradients of the attention of ONNX Runtime's optimizers, by what it computes: softmax(s·Q·Kᵀ + M)·V for every head, written in products,
 * a softmax and masks, through which gradients pass.
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 */
import { floatAttribute, intAttribute, intsAttribute } from '../../model/attributes.ts'
import { scalar } from '../../tensor/tensor.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import {
  cannotDifferentiate,
  ints,
  knownShape,
  knownSizes,
  reshape,
  shapeOf,
  slice,
  transpose,
  unsqueeze,
} from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'

/** Beyond all scores: what a softmax makes nothing of. */
const EXCLUDED = -1e30

/** Attention with so many heads, from [batch, length, heads · size] each. */
function attend(
  context: GradientContext,
  parts: readonly [string, string, string],
  mask: string | undefined,
  bias: string | undefined,
): string {
  const { node } = context
  const heads = intAttribute(node, 'num_heads', 1)
  const f = formula(context, parts[0])
  const [q, k, v] = parts.map((value) => {
    const of = (axis: number) => ({ of: value, axis })
    const split = reshape(context, value, [of(0), of(1), heads, -1])
    return transpose(context, split, [0, 2, 1, 3])
  }) as [string, string, string]
  const [width] = knownSizes(context, [knownShape(context, parts[0])[2]!], 'the size of its heads')
  const scale = floatAttribute(node, 'scale', 0) || 1 / Math.sqrt(width! / heads)
  let scores = f.mul(context.op('MatMul', [q, transpose(context, k, [0, 1, 3, 2])]), scale)
  if (bias !== undefined) scores = f.add(scores, bias)
  if (mask !== undefined) {
    // [batch, keys]: 0 for padding.
    if (knownShape(context, mask).length !== 2)
      throw cannotDifferentiate(context, 'its mask is not one of keys')
    const zero = context.op('Equal', [
      context.op('Cast', [mask], { to: 7 }),
      context.constant(scalar('int64', 0)),
    ])
    const filter = floatAttribute(node, 'mask_filter_value', -10000)
    scores = f.add(scores, unsqueeze(context, f.where(zero, filter, 0), [1, 2]))
  }
  if (intAttribute(node, 'unidirectional', 0) === 1) {
    const [rows, columns] = [2, 3].map((axis) => positions(context, scores, axis))
    const isLater = context.op('Greater', [columns!, unsqueeze(context, rows!, [1])])
    scores = f.where(isLater, EXCLUDED, scores)
  }
  const mixed = context.op('MatMul', [context.op('Softmax', [scores], { axis: -1 }), v])
  const together = transpose(context, mixed, [0, 2, 1, 3])
  const of = (axis: number) => ({ of: together, axis })
  return reshape(context, together, [of(0), of(1), -1])
}

/** 0, 1, … along an axis. */
const positions = (context: GradientContext, value: string, axis: number): string =>
  context.op('Range', [
    context.constant(scalar('int64', 0)),
    context.op('Squeeze', [shapeOf(context, value, axis, axis + 1), ints(context, [0])]),
    context.constant(scalar('int64', 1)),
  ])

/** What is not followed, by input position. */
function refuse(context: GradientContext, inputs: readonly number[], reason: string): void {
  if (inputs.some((i) => context.has(i))) throw cannotDifferentiate(context, reason)
}

const PAST = 'it reads keys and values of the past'

export const multiHeadGradient: GradientRule = (context) => {
  if (context.outputGradient(0) === undefined) return []
  refuse(context, [6, 7], PAST)
  const inputs = [0, 1, 2].map((i) => context.input(i))
  if (inputs.some((name) => name === '' || knownShape(context, name).length !== 3))
    throw cannotDifferentiate(context, 'its queries, keys and values are in one input')
  return context.through(() => {
    let start = 0
    const parts = inputs.map((name) => {
      if (!context.has(3)) return name
      const [width] = knownSizes(context, [knownShape(context, name)[2]!], 'its width')
      const own = slice(context, context.input(3), [0], [start], [start + width!])
      start += width!
      return context.op('Add', [name, own])
    }) as [string, string, string]
    const mask = context.has(4) ? context.input(4) : undefined
    return [attend(context, parts, mask, context.has(5) ? context.input(5) : undefined)]
  })
}

/** Attention with weights of its own. */
export const ownAttentionGradient: GradientRule = (context) => {
  if (context.outputGradient(0) === undefined) return []
  refuse(context, [4, 6], PAST)
  if (intAttribute(context.node, 'do_rotary', 0) === 1)
    throw cannotDifferentiate(context, 'it turns its queries and keys')
  const [all] = knownSizes(context, [knownShape(context, context.input(1))[1]!], 'its width')
  const third = all! / 3
  const widths = intsAttribute(context.node, 'qkv_hidden_sizes') ?? [third, third, third]
  return context.through(() => {
    const product = context.op('MatMul', [context.input(0), context.input(1)])
    const whole = context.has(2) ? context.op('Add', [product, context.input(2)]) : product
    const parts = context.emit('Split', [whole, ints(context, widths)], { axis: 2 }, { outputs: 3 })
    const mask = context.has(3) ? context.input(3) : undefined
    const bias = context.has(5) ? context.input(5) : undefined
    return [attend(context, parts as unknown as [string, string, string], mask, bias)]
  })
}
