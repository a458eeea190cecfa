/**
 * Attention: Y = softmax(c(s·Q·Kᵀ) + M)·V for every head (Vaswani et al. 2017), with the scale s (1/√d unless
 * it is written), the soft cap c(x) = cap·tanh(x / cap) where it is given, and a mask M: an input, or
 * the causal one. Q is [batch, heads, queries, d], K [batch, groups, keys, d] and V
 * [batch, groups, keys, dᵥ]; each group of heads reads one head of K and V (Ainslie et al. 2023). With
 * three axes they are [batch, queries, heads · d] and so on.
 * https://onnx.ai/onnx/operators/onnx__Attention.html
 *
 * Growth. Every head is computed by itself, so copies of a head of K and V together with its group of heads of Q
 * give copies of heads of Y; so do copies of heads inside all groups. A unit of dᵥ comes from V to Y
 * unchanged. d is summed over, so the entries of Q or K take split coefficients (of Q, where K goes on from the past); a
 * scale that is not written would change with d, and is written then. The keys are fixed, since a copy of a key
 * would take its part of every softmax; the queries pass.
 *
 * Gradients. Let P be the softmax, δ = ∂L/∂Y, and G = P∘(D − Σ P∘D) over the keys, with D = δ·Vᵀ, which is the
 * gradient of the mask. Let H be G, times 1 − tanh²(s·Q·Kᵀ / cap) under a soft cap. Then
 * ∂L/∂V = Pᵀ·δ, ∂L/∂Q = s·H·K and ∂L/∂K = s·Hᵀ·Q. The heads of a group count as more queries of
 * one head, which sums the gradients of K and V over them. P comes from the operator itself.
 */
import { floatAttribute, intAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { type Axis, product } from '../contract/axis.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext, InferRule, ValueInfo } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { sumTo } from '../helpers/broadcast.ts'
import {
  cannotDifferentiate,
  knownShape,
  knownSizes,
  reshape,
  reshapeLike,
  transpose,
} from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { sumsProducts } from '../helpers/matrix-product.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'

const QUERY = 0
const KEY = 1
const VALUE = 2
const MASK = 3
const PAST_KEY = 4
const PAST_VALUE = 5
const LENGTHS = 6

/** The attribute that counts the heads of Q, or of K and V. */
const headsName = (i: number) => (i === QUERY ? 'q_num_heads' : 'kv_num_heads')

type Reader = Pick<InferContext, 'node'>
const headsOf = ({ node }: Reader, i: number) => intAttribute(node, headsName(i), undefined)

// -------------------------------------------------------------------- infer

/** The dimensions of Q, K or V, by what they are. */
interface Dims {
  readonly batch: Dim
  readonly heads: Dim
  readonly length: Dim
  readonly size: Dim
}

function dimsOf(context: InferContext, i: number): Dims | undefined {
  const shape = context.shape(i)
  if (shape?.length === 4)
    return { batch: shape[0]!, heads: shape[1]!, length: shape[2]!, size: shape[3]! }
  const heads = headsOf(context, i)
  if (shape?.length !== 3 || heads === undefined) return undefined
  const [batch, length, hidden] = shape as readonly [Dim, Dim, Dim]
  return { batch, heads, length, size: typeof hidden === 'number' ? hidden / heads : null }
}

const sum = (a: Dim, b: Dim): Dim => (typeof a === 'number' && typeof b === 'number' ? a + b : null)
const times = (a: Dim, b: Dim): Dim =>
  typeof a === 'number' && typeof b === 'number' ? a * b : null

const infer: InferRule = (context) => {
  const [q, k, v] = [QUERY, KEY, VALUE].map((i) => dimsOf(context, i))
  const past = context.has(PAST_KEY) ? context.shape(PAST_KEY)?.[2] : 0
  const total = k && sum(k.length, past ?? null)
  const y =
    q && v && context.shape(QUERY)!.length === 3
      ? [q.batch, q.length, times(q.heads, v.size)]
      : q && v && [q.batch, q.heads, q.length, v.size]
  const present = (of: Dims | undefined): ValueInfo =>
    inferredFrom(
      context,
      of && total !== undefined ? [of.batch, of.heads, total, of.size] : undefined,
    )
  const scores = q && total !== undefined ? [q.batch, q.heads, q.length, total] : undefined
  return [inferredFrom(context, y), present(k), present(v), inferredFrom(context, scores)]
}

const multiplyAdds = (context: InferContext): number | null => {
  const [q, k, v] = [QUERY, KEY, VALUE].map((i) => dimsOf(context, i))
  if (!q || !k || !v) return null
  const products = [k.size, v.size].map((size) =>
    countProduct([[q.batch, q.heads, q.length, k.length, size]]),
  )
  return products.includes(null) ? null : products[0]! + products[1]!
}

// --------------------------------------------------------------------- axes

interface Parts {
  readonly batch: Axis
  readonly heads: Axis
  readonly length: Axis
  readonly size: Axis
}

function partsOf(context: AxesContext, i: number): Parts {
  const axes = context.axes(i)
  if (axes.length === 4)
    return { batch: axes[0]!, heads: axes[1]!, length: axes[2]!, size: axes[3]! }
  const heads = headsOf(context, i) ?? context.refuse('does not say how many heads it has')
  const hidden = context.shape(i)?.[2]
  const split =
    typeof hidden === 'number' ? context.regroup([axes[2]!], [heads, hidden / heads]) : undefined
  if (!split) return context.refuse(`has ${heads} heads, into which its channels do not divide`)
  return { batch: axes[0]!, heads: split[0]!, length: axes[1]!, size: split[1]! }
}

/** The heads of Q as groups, each of which reads one head of K and V. */
function groupsOf(context: AxesContext, heads: Axis): Axis {
  const [all, groups] = [QUERY, KEY].map((i) => dimsOf(context, i)?.heads)
  if (typeof all !== 'number' || typeof groups !== 'number')
    return context.refuse('has a number of heads that is not known')
  if (all === groups) return heads
  const split = context.regroup([heads], [groups, all / groups])
  return split?.[0] ?? context.refuse(`has ${groups} groups, into which its heads do not divide`)
}

/** Joins the axes of the mask, counted from the last, with those of the scores; sizes of one are repeated. */
export function joinMask(
  context: AxesContext,
  input: number,
  scores: readonly Axis[],
  sizes: readonly Dim[],
): void {
  const mask = context.axes(input)
  const shape = context.shape(input) ?? []
  mask.forEach((axis, k) => {
    const at = k - mask.length + scores.length
    if (at === scores.length - 1) context.fix(axis, 'masks keys along it')
    else if (shape[k] !== 1 || sizes[at] === 1) context.unify(scores[at]!, axis)
    else context.fix(axis, 'repeats it over a larger axis')
  })
}

/** The sizes of heads are summed over; a scale that is not written depends on them. */
function contractSizes(context: AxesContext, q: Parts, k: Parts): void {
  const axis = context.axes(QUERY).length - 1
  const factor = (input: number, { size }: Parts) => ({ input, axis, part: size })
  const keys = context.has(PAST_KEY) ? k.size : factor(KEY, k)
  context.contract([factor(QUERY, q), keys], sumsProducts)
  const size = dimsOf(context, QUERY)?.size
  if (context.node.attributes.has('scale')) return
  if (typeof size === 'number')
    context.defaultAttribute('scale', Math.fround(1 / Math.sqrt(size)), q.size)
  else context.fix(q.size, 'scales by the size of its heads')
}

const axes: AxesRule = (context) => {
  const [q, k, v] = [QUERY, KEY, VALUE].map((i) => partsOf(context, i)) as [Parts, Parts, Parts]
  const groups = groupsOf(context, q.heads)
  for (const other of [k, v]) {
    context.unify(q.batch, other.batch)
    context.unify(groups, other.heads)
    context.fix(other.length, 'normalizes over it')
  }
  context.unify(k.length, v.length)
  for (const [i, { heads }] of [
    [QUERY, q],
    [KEY, k],
  ] as const)
    if (headsOf(context, i) !== undefined) context.sizeAttribute(headsName(i), heads)
  contractSizes(context, q, k)
  context.attends([QUERY, KEY, VALUE], {
    heads: q.heads,
    keyValueHeads: k.heads,
    headSize: q.size,
    valueSize: v.size,
  })
  if (intAttribute(context.node, 'is_causal', 0) === 1)
    context.fix(q.length, 'compares positions along it')
  const scores = [q.batch, q.heads, q.length, k.length]
  if (context.has(MASK)) {
    const dims = dimsOf(context, QUERY)!
    joinMask(context, MASK, scores, [dims.batch, dims.heads, dims.length, null])
  }
  if (context.has(LENGTHS)) context.unify(q.batch, context.axes(LENGTHS, 1)[0]!)
  for (const [i, { size }] of [
    [PAST_KEY, k],
    [PAST_VALUE, v],
  ] as const) {
    if (!context.has(i)) continue
    const past = context.axes(i, 4)
    context.unify(q.batch, past[0]!)
    context.unify(groups, past[1]!)
    context.fix(past[2]!, 'normalizes over it')
    context.unify(size, past[3]!)
  }
  const total = context.fixed(context.output(3).shape?.[3] ?? null, 'normalizes over it')
  const y =
    context.axes(QUERY).length === 4
      ? [q.batch, q.heads, q.length, v.size]
      : [q.batch, q.length, product([q.heads, v.size])]
  const present = ({ batch, heads, size }: Parts) => ({ axes: [batch, heads, total, size] })
  return [{ axes: y }, present(k), present(v), { axes: [...scores.slice(0, 3), total] }]
}

// ----------------------------------------------------------------- gradient

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if ([1, 2, 3].some((k) => context.outputGradient(k) !== undefined))
    throw cannotDifferentiate(context, 'its outputs other than the first have no gradient rule')
  if (dy === undefined) return []
  if (context.has(PAST_KEY))
    throw cannotDifferentiate(context, 'it reads keys and values of the past')
  const inputs = context.node.inputs.slice(0, 3)
  const [q, k, v, dyHeads] = [...inputs, dy].map((name, i) =>
    withHeads(context, name, i < 3 ? i : QUERY),
  )
  const [groups] = knownSizes(context, [knownShape(context, k!)[1]!], 'its numbers of heads')
  const [size] = knownSizes(context, [knownShape(context, q!)[3]!], 'the sizes of its heads')
  const scale = floatAttribute(context.node, 'scale', 1 / Math.sqrt(size!))
  const cap = floatAttribute(context.node, 'softcap', 0)
  const f = formula(context, dy)
  const product = (a: string, b: string) => context.op('MatMul', [a, b])
  const turned = (value: string) => transpose(context, value, [0, 1, 3, 2])
  /** The heads of a group as more rows of one head. */
  const grouped = (value: string) =>
    reshape(context, value, [{ of: value, axis: 0 }, groups!, -1, { of: value, axis: 3 }])

  const [, , , p] = context.emit(
    'Attention',
    context.node.inputs,
    { ...Object.fromEntries(context.node.attributes), qk_matmul_output_mode: 3 },
    { outputs: 4 },
  )
  const [rows, dyRows, softmax] = [q!, dyHeads!, p!].map(grouped) as [string, string, string]
  const toSoftmax = product(dyRows, turned(v!))
  const weighted = f.mul(softmax, toSoftmax)
  const total = context.op('ReduceSum', [weighted, context.constant(lastAxis)], { keepdims: 1 })
  const toMask = f.sub(weighted, f.mul(softmax, total))
  const toScores =
    cap === 0
      ? toMask
      : f.mul(toMask, f.sub(1, f.square(f.tanh(f.mul(product(rows, turned(k!)), scale / cap)))))
  const scaled = f.mul(toScores, scale)
  const gradientOf = (i: number, value: () => string) =>
    context.needs(i) ? withoutHeads(context, value(), context.input(i), i) : undefined
  return [
    gradientOf(QUERY, () => reshapeLike(context, product(scaled, k!), q!)),
    gradientOf(KEY, () => product(turned(scaled), rows)),
    gradientOf(VALUE, () => product(turned(softmax), dyRows)),
    context.has(MASK) && context.needs(MASK)
      ? sumTo(context, reshapeLike(context, toMask, p!), p!, context.input(MASK))
      : undefined,
  ]
}

/** Q, K, V or a gradient as [batch, heads, length, size]. */
function withHeads(context: GradientContext, value: string, i: number): string {
  if (knownShape(context, value).length === 4) return value
  const of = (axis: number) => ({ of: value, axis })
  const split = reshape(context, value, [of(0), of(1), headsOf(context, i)!, -1])
  return transpose(context, split, [0, 2, 1, 3])
}

/** A gradient with heads in the shape of input i, called `like`. */
const withoutHeads = (context: GradientContext, value: string, like: string, i: number): string =>
  knownShape(context, like).length === 4 || headsOf(context, i) === undefined
    ? value
    : reshapeLike(context, transpose(context, value, [0, 2, 1, 3]), like)

const lastAxis = int64([-1])

export const attention: Operator = {
  name: 'Attention',
  infer,
  axes,
  gradient,
  scaling: {
    inputs: ({ inputs }) => [inputs[PAST_VALUE] ? [VALUE, PAST_VALUE] : [VALUE]],
    linear: true,
  },
  sign: 'unknown',
  execution: { multiplyAdds },
}
