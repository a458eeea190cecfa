/**
 * Attention as ONNX Runtime's optimizers and model builders write it: MultiHeadAttention, GroupQueryAttention, Attention with its own
 * weights, and RotaryEmbedding, all of the domain com.microsoft.
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 *
 * Growth is that of the standard's Attention and RotaryEmbedding: whole heads, heads within the groups that share keys and
 * values, pairs of rotated channels, and the size of heads where queries or keys come to the node as they are summed over: with a bias
 * that the node adds itself, or out of weights that it holds, no factor passes, and that size is fixed.
 *
 * Gradients: see decompositions/runtime-attention-gradient.ts; a rotation is undone by the opposite angles.
 */
import { floatAttribute, intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { unsupported } from '../contract/answers.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { type Axis, product } from '../contract/axis.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import {
  multiHeadGradient,
  ownAttentionGradient,
} from '../decompositions/runtime-attention-gradient.ts'
import { gradientOf } from '../helpers/formula.ts'
import { sumsProducts } from '../helpers/matrix-product.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import { inferUnary } from '../helpers/unary.ts'
import { joinMask } from './attention.ts'
import { matMul } from './mat-mul.ts'
import { rotaryAxes, turned } from './rotary-embedding.ts'

const domain = 'com.microsoft'
const gradient = unsupported(
  'has no gradient rule: export the model with separate queries, keys and values, or with the standard operator Attention',
)

const NORMALIZES = 'normalizes over it'

const countOf = ({ node }: Pick<InferContext, 'node'>, attribute: string): number | undefined =>
  intAttribute(node, attribute, 0) || undefined

/** A channel axis as heads and their size. */
function headsIn(
  context: AxesContext,
  axis: Axis,
  width: Dim | undefined,
  heads: number | undefined,
): { readonly heads: Axis; readonly size: Axis } {
  const parts =
    typeof width === 'number' && heads !== undefined
      ? context.regroup([axis], [heads, width / heads])
      : undefined
  if (!parts) return context.refuse('has heads into which its channels do not divide')
  return { heads: parts[0]!, size: parts[1]! }
}

function part(context: AxesContext, axis: Axis, start: number, end: number): Axis {
  return context.slice(axis, start, end) ?? context.refuse('takes apart what cannot be followed')
}

/** A scale that is not written (or 0) is one over the root of the size of heads. */
function keepScale(context: AxesContext, size: Axis, width: number): void {
  if (floatAttribute(context.node, 'scale', 0) === 0)
    context.defaultAttribute('scale', Math.fround(1 / Math.sqrt(width)), size)
}

/** Keys and values of the past, [batch, heads, length, size]; what comes out has theirs and the new ones. */
function joinPast(
  context: AxesContext,
  inputs: readonly [number, number],
  parts: readonly { readonly batch: Axis; readonly heads: Axis; readonly size: Axis }[],
) {
  return inputs.map((i, k) => {
    const { batch, heads, size } = parts[k]!
    if (context.has(i)) {
      const past = context.axes(i, 4)
      context.unify(batch, past[0]!)
      context.unify(heads, past[1]!)
      context.fix(past[2]!, NORMALIZES)
      context.unify(size, past[3]!)
    }
    const total = context.fixed(context.output(1 + k).shape?.[2] ?? null, NORMALIZES)
    return { axes: [batch, heads, total, size] }
  })
}

const fixAll = (context: AxesContext, inputs: readonly number[], reason: string) => {
  for (const i of inputs)
    if (context.has(i) && context.shape(i))
      for (const axis of context.axes(i)) context.fix(axis, reason)
}

// ------------------------------------------------------ MultiHeadAttention

const multiHeadAxes: AxesRule = (context) => {
  const [q, k, v] = [0, 1, 2].map((i) => {
    const axes = context.has(i) ? context.axes(i) : []
    if (axes.length !== 3)
      return context.refuse('has queries, keys and values in a form that is not followed')
    const hidden = context.shape(i)?.[2]
    return {
      batch: axes[0]!,
      length: axes[1]!,
      hidden: axes[2]!,
      width: hidden,
      ...headsIn(context, axes[2]!, hidden, countOf(context, 'num_heads')),
    }
  }) as [AttendedParts, AttendedParts, AttendedParts]
  for (const other of [k, v]) {
    context.unify(q.batch, other.batch)
    context.unify(q.heads, other.heads)
    context.fix(other.length, NORMALIZES)
  }
  context.unify(k.length, v.length)
  context.sizeAttribute('num_heads', q.heads)
  if (context.has(3)) {
    let start = 0
    for (const { hidden, width } of [q, k, v]) {
      context.unify(part(context, context.axes(3, 1)[0]!, start, start + Number(width)), hidden)
      start += Number(width)
    }
    for (const { size } of [q, k]) context.fix(size, 'adds a bias to what it sums over')
  } else {
    const keys = context.has(6) ? k.size : { input: 1, axis: 2, part: k.size }
    context.contract([{ input: 0, axis: 2, part: q.size }, keys], sumsProducts)
  }
  keepScale(context, q.size, Number(q.width) / countOf(context, 'num_heads')!)
  if (intAttribute(context.node, 'unidirectional', 0) === 1)
    context.fix(q.length, 'compares positions along it')
  fixAll(context, [4], 'masks keys along it')
  if (context.has(5))
    joinMask(context, 5, [q.batch, q.heads, q.length, k.length], headSizes(context))
  context.attends([0, 1, 2], {
    heads: q.heads,
    keyValueHeads: k.heads,
    headSize: q.size,
    valueSize: v.size,
  })
  return [
    { axes: [q.batch, q.length, product([q.heads, v.size])] },
    ...joinPast(context, [6, 7], [k, v]),
  ]
}

interface AttendedParts {
  readonly batch: Axis
  readonly length: Axis
  readonly hidden: Axis
  readonly width: Dim | undefined
  readonly heads: Axis
  readonly size: Axis
}

/** Sizes of the axes of scores. */
const headSizes = (context: InferContext): readonly Dim[] => [
  context.shape(0)?.[0] ?? null,
  countOf(context, 'num_heads') ?? null,
  context.shape(0)?.[1] ?? null,
  null,
]

const multiHeadInfer: InferRule = (context) => {
  const [q, k, v] = [0, 1, 2].map((i) => context.shape(i))
  const heads = countOf(context, 'num_heads')
  const sizeOf = (hidden: Dim | undefined): Dim =>
    typeof hidden === 'number' && heads !== undefined ? hidden / heads : null
  const present = (hidden: Dim | undefined) => [q?.[0] ?? null, heads ?? null, null, sizeOf(hidden)]
  const isPlain = q?.length === 3 && k?.length === 3 && v?.length === 3
  return [
    inferredFrom(context, isPlain ? [q[0]!, q[1]!, v[2]!] : undefined),
    inferredFrom(context, isPlain ? present(k[2]) : undefined),
    inferredFrom(context, isPlain ? present(v[2]) : undefined),
  ]
}

// ----------------------------------------------------- GroupQueryAttention

/** Where queries, keys and values are in one input: the widths of the three parts. */
function packedWidths(context: InferContext): readonly number[] | undefined {
  const hidden = context.shape(0)?.[2]
  const [heads, groups] = [countOf(context, 'num_heads'), countOf(context, 'kv_num_heads')]
  if (context.has(1) || typeof hidden !== 'number' || !heads || !groups) return undefined
  const size = hidden / (heads + 2 * groups)
  return [heads * size, groups * size, groups * size]
}

const groupQueryAxes: AxesRule = (context) => {
  const [heads, groups] = [countOf(context, 'num_heads'), countOf(context, 'kv_num_heads')]
  if (heads === undefined || groups === undefined || context.axes(0).length !== 3)
    return context.refuse('does not say how many heads it has')
  const packed = packedWidths(context)
  const [batch, length, all] = context.axes(0) as [Axis, Axis, Axis]
  let start = 0
  const [q, k, v] = [heads, groups, groups].map((count, i) => {
    const width = packed?.[i] ?? context.shape(i)?.[2]
    const axis = packed ? part(context, all, start, start + packed[i]!) : context.axes(i, 3)[2]!
    start += packed?.[i] ?? 0
    return { batch, ...headsIn(context, axis, width, count), width }
  }) as [GroupParts, GroupParts, GroupParts]
  const shared =
    heads === groups ? q.heads : context.regroup([q.heads], [groups, heads / groups])?.[0]
  if (!shared) return context.refuse('has groups into which its heads do not divide')
  for (const other of [k, v]) context.unify(shared, other.heads)
  if (!packed)
    for (const i of [1, 2]) {
      const axes = context.axes(i, 3)
      context.unify(batch, axes[0]!)
      context.fix(axes[1]!, NORMALIZES)
    }
  // The kernel wants values of the same size.
  context.unify(k.size, v.size)
  const size = Number(q.width) / heads
  let channels = q.size
  if (context.has(7)) channels = turned(context, q.size, size, [7, 8])
  context.unify(channels, k.size)
  if (packed)
    context.fix(q.size, 'has queries and keys in one input, of which it sums over products')
  else
    context.contract(
      [
        { input: 0, axis: 2, part: q.size },
        context.has(3) ? k.size : { input: 1, axis: 2, part: k.size },
      ],
      sumsProducts,
    )
  keepScale(context, q.size, size)
  context.sizeAttribute('num_heads', q.heads)
  context.sizeAttribute('kv_num_heads', k.heads)
  context.fix(length, 'compares positions along it')
  for (const i of [7, 8])
    if (context.has(i)) context.fix(context.axes(i, 2)[0]!, 'looks up positions along it')
  fixAll(context, [5, 6, 9], 'counts positions along it')
  if (context.has(10))
    joinMask(
      context,
      10,
      [batch, q.heads, length, context.fixed(null, NORMALIZES)],
      headSizes(context),
    )
  if (context.has(11)) context.unify(context.axes(11, 1)[0]!, q.heads)
  context.attends(packed ? [0] : [0, 1, 2], {
    heads: q.heads,
    keyValueHeads: k.heads,
    headSize: q.size,
    valueSize: v.size,
  })
  return [
    { axes: [batch, length, product([q.heads, v.size])] },
    ...joinPast(context, [3, 4], [k, v]),
  ]
}

interface GroupParts {
  readonly batch: Axis
  readonly heads: Axis
  readonly size: Axis
  readonly width: Dim | undefined
}

const groupQueryInfer: InferRule = (context) => {
  const q = context.shape(0)
  const packed = packedWidths(context)
  const [heads, groups] = [countOf(context, 'num_heads'), countOf(context, 'kv_num_heads')]
  const width = packed?.[0] ?? q?.[2]
  const size = typeof width === 'number' && heads !== undefined ? width / heads : null
  const present = q && [q[0]!, groups ?? null, null, size]
  return [
    inferredFrom(context, q && [q[0]!, q[1]!, width ?? null]),
    inferredFrom(context, present),
    inferredFrom(context, present),
  ]
}

// --------------------------------------------- Attention with weights of its own

function ownWidths(context: InferContext): readonly number[] | undefined {
  const told = intsAttribute(context.node, 'qkv_hidden_sizes')
  if (told?.length === 3) return told
  const hidden = context.shape(1)?.[1]
  return typeof hidden === 'number' ? [hidden / 3, hidden / 3, hidden / 3] : undefined
}

const ownAxes: AxesRule = (context) => {
  const widths = ownWidths(context) ?? context.refuse('has weights whose widths are not known')
  const heads = countOf(context, 'num_heads')
  const [batch, length, channels] = context.axes(0, 3) as [Axis, Axis, Axis]
  if (!context.isParameter(1)) return context.refuse('computes its weights')
  context.contract([{ input: 1, axis: 0 }, channels])
  let start = 0
  const [q, k, v] = widths.map((width) => {
    const hidden = part(context, context.axes(1)[1]!, start, start + width)
    if (context.has(2))
      context.unify(part(context, context.axes(2, 1)[0]!, start, start + width), hidden)
    start += width
    return { batch, hidden, ...headsIn(context, hidden, width, heads) }
  }) as [OwnParts, OwnParts, OwnParts]
  for (const other of [k, v]) context.unify(q.heads, other.heads)
  const isTold = context.node.attributes.has('qkv_hidden_sizes')
  for (const each of isTold ? [q, k] : [q, k, v])
    context.fix(each.size, 'multiplies queries and keys that it computes itself')
  context.sizeAttribute('num_heads', q.heads)
  if (isTold)
    for (const [i, each] of [q, k, v].entries())
      context.sizeAttribute('qkv_hidden_sizes', product([each.heads, each.size]), i)
  context.fix(length, NORMALIZES)
  fixAll(context, [3], 'masks keys along it')
  if (context.has(4)) {
    const past = context.axes(4, 5)
    context.unify(past[2]!, k.heads)
    for (const i of [0, 3, 4]) context.fix(past[i]!, NORMALIZES)
  }
  if (context.has(5)) joinMask(context, 5, [batch, q.heads, length, length], headSizes(context))
  context.attends([], {
    heads: q.heads,
    keyValueHeads: k.heads,
    headSize: q.size,
    valueSize: v.size,
  })
  const two = context.fixed(2, 'are keys and values')
  const total = context.fixed(context.output(1).shape?.[3] ?? null, NORMALIZES)
  return [
    { axes: [batch, length, product([q.heads, v.size])] },
    { axes: [two, batch, k.heads, total, k.size] },
  ]
}

type OwnParts = Omit<AttendedParts, 'length' | 'width'>

const ownInfer: InferRule = (context) => {
  const x = context.shape(0)
  const widths = ownWidths(context)
  const heads = countOf(context, 'num_heads')
  const size = widths && heads !== undefined ? widths[1]! / heads : null
  return [
    inferredFrom(context, x && [x[0]!, x[1]!, widths?.[2] ?? null]),
    inferredFrom(context, x && [2, x[0]!, heads ?? null, null, size]),
  ]
}

/** Linear in the values, where they alone are added up. */
const linearInValues: Operator['scaling'] = {
  inputs: ({ opType, inputs }) => {
    const isAlone = opType === 'MultiHeadAttention' ? !inputs[3] && !inputs[7] : !inputs[4]
    return inputs[2] && isAlone ? [[2]] : []
  },
  linear: true,
}

export const runtimeAttention: readonly Operator[] = [
  {
    name: 'MultiHeadAttention',
    domain,
    infer: multiHeadInfer,
    axes: multiHeadAxes,
    gradient: multiHeadGradient,
    training: { parameters: [3] },
    execution: {
      // It has no mask of the keys.
      wrongOnWebGpu: ({ has }) => has(4),
    },
    scaling: linearInValues,
    sign: 'unknown',
  },
  {
    name: 'GroupQueryAttention',
    domain,
    infer: groupQueryInfer,
    axes: groupQueryAxes,
    gradient,
    scaling: linearInValues,
    sign: 'unknown',
  },
  {
    name: 'Attention',
    domain,
    infer: ownInfer,
    axes: ownAxes,
    gradient: ownAttentionGradient,
    training: { parameters: [1, 2] },
    scaling: 'none',
    sign: 'unknown',
    growth: {
      layer: {
        weight: (isParameter) => (isParameter(1) ? { input: 1, widthAxis: -1 } : undefined),
        // Attention cannot: a dense layer does.
        identity: (context) => matMul.growth!.layer!.identity(context),
      },
    },
  },
  {
    name: 'RotaryEmbedding',
    domain,
    infer: inferUnary,
    axes: (context) => rotaryAxes(context, { cos: 2, sin: 3, positions: 1 }),
    // Turned back by the same angles.
    gradient: gradientOf((context) =>
      context.op(
        'RotaryEmbedding',
        [context.g, context.input(1), context.input(2), context.op('Neg', [context.input(3)])],
        Object.fromEntries(context.node.attributes),
        domain,
      ),
    ),
    scaling: { inputs: () => [[0]], linear: true },
    sign: 'unknown',
  },
]
