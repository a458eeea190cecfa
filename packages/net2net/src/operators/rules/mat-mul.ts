/**
 * MatMul: Y[…, i, j] = Σ_k A[…, i, k]·B[…, k, j], with leading axes broadcast, and with a vector
 * as a row on the left or a column on the right. https://onnx.ai/onnx/operators/onnx__MatMul.html
 *
 * Growth. As for Gemm: i and j are copied; k takes split coefficients in whichever factor is a weight. In a
 * product of two activations (the depth of attention's queries and keys) one of the two is split, which
 * the growth solver finds. Leading axes are unified like those of any broadcasting operator.
 *
 * Identity: a product with the identity matrix, followed by the addition of a zero bias.
 *
 * Gradients, with δ = ∂L/∂Y: ∂L/∂A = δ·Bᵀ and ∂L/∂B = Aᵀ·δ, summed over the leading axes along
 * which the factor was repeated. For a matrix B all leading axes of A count as rows, so that the
 * sum is part of one matrix product.
 */
import type { Dim, Shape } from '../../model/model.ts'
import { glorotUniform, zeros } from '../../tensor/fill.ts'
import { int64 } from '../../tensor/tensor.ts'
import { type Unsupported, unsupported } from '../contract/answers.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { IdentityContext, InsertedLayer, InsertedNode } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { broadcastShape, sumTo } from '../helpers/broadcast.ts'
import {
  knownShape,
  range,
  reduce,
  reshape,
  reshapeLike,
  transpose,
  unsqueeze,
} from '../helpers/emission.ts'
import { agree, sumsProducts } from '../helpers/matrix-product.ts'
import { linearIn } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'

const infer: InferRule = (context) => {
  const a = context.shape(0)
  const b = context.shape(1)
  if (!a || !b) return [inferredFrom(context, undefined)]
  agree(a.at(-1), b.length === 1 ? b[0] : b.at(-2))
  const leading = broadcastShape([a.slice(0, -2), b.slice(0, -2)])
  return [
    inferredFrom(
      context,
      leading && [
        ...leading,
        ...(a.length > 1 ? [a.at(-2)!] : []),
        ...(b.length > 1 ? [b.at(-1)!] : []),
      ],
    ),
  ]
}

const axes: AxesRule = (context) => {
  const a = context.axes(0)
  const b = context.axes(1)
  const innerA = a.length - 1
  const innerB = Math.max(0, b.length - 2)
  context.contract(
    [
      { input: 0, axis: innerA },
      { input: 1, axis: innerB },
    ],
    sumsProducts,
  )
  return [
    {
      axes: [
        ...leadingAxes(context, a.slice(0, -2), b.slice(0, -2)),
        ...(a.length > 1 ? [a[innerA - 1]!] : []),
        ...(b.length > 1 ? [b.at(-1)!] : []),
      ],
    },
  ]
}

/** Unifies the axes before the matrices; those of size one are repeated. */
function leadingAxes(context: AxesContext, a: readonly Axis[], b: readonly Axis[]): Axis[] {
  const rank = Math.max(a.length, b.length)
  const dim = (i: 0 | 1, k: number): Dim => context.shape(i)?.[k] ?? null
  return range(rank).map((k) => {
    const [i, j] = [k - rank + a.length, k - rank + b.length]
    if (i < 0) return b[j]!
    if (j < 0) return a[i]!
    const [m, n] = [dim(0, i), dim(1, j)]
    if (m === 1 && n !== 1) return repeated(context, a[i]!, b[j]!)
    if (n === 1 && m !== 1) return repeated(context, b[j]!, a[i]!)
    return context.unify(a[i]!, b[j]!)
  })
}

function repeated(context: AxesContext, single: Axis, wide: Axis): Axis {
  context.fix(single, 'repeats it over a larger axis')
  return wide
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  return [
    context.needs(0) ? leftGradient(context, dy) : undefined,
    context.needs(1) ? rightGradient(context, dy) : undefined,
  ]
}

/** ∂L/∂A = δ·Bᵀ. */
function leftGradient(context: GradientContext, dy: string): string {
  const [a, b] = [context.input(0), context.input(1)]
  const [rankA, rankB] = [knownShape(context, a).length, knownShape(context, b).length]
  const rows = rankA === 1
  const columns = rankB === 1
  if (rankA === 2 && rankB === 2) return context.op('Gemm', [dy, b], { transB: 1 })
  // Vectors become matrices of one row or column, in the gradient too.
  const full = asMatrix(context, dy, rows, columns)
  const turned = columns ? unsqueeze(context, b, [0]) : swapLast(context, b, rankB)
  return fitted(context, context.op('MatMul', [full, turned]), a, rows ? 'row' : undefined)
}

/** ∂L/∂B = Aᵀ·δ. */
function rightGradient(context: GradientContext, dy: string): string {
  const [a, b] = [context.input(0), context.input(1)]
  const [rankA, rankB] = [knownShape(context, a).length, knownShape(context, b).length]
  if (rankA >= 2 && rankB === 2) {
    const flat = (value: string, rank: number) =>
      rank === 2 ? value : reshape(context, value, [-1, { of: value, axis: rank - 1 }])
    return context.op('Gemm', [flat(a, rankA), flat(dy, rankA)], { transA: 1 })
  }
  const rows = rankA === 1
  const columns = rankB === 1
  const full = asMatrix(context, dy, rows, columns)
  const turned = rows ? unsqueeze(context, a, [1]) : swapLast(context, a, rankA)
  return fitted(context, context.op('MatMul', [turned, full]), b, columns ? 'column' : undefined)
}

function asMatrix(context: GradientContext, dy: string, row: boolean, column: boolean): string {
  const withColumn = column ? context.op('Unsqueeze', [dy, lastAxis(context)]) : dy
  if (!row) return withColumn
  const rank = knownShape(context, withColumn).length
  return unsqueeze(context, withColumn, [rank - 1])
}
const lastAxis = (context: GradientContext) => context.constant(int64([-1]))

const swapLast = (context: GradientContext, value: string, rank: number): string =>
  transpose(context, value, [...range(rank - 2), rank - 1, rank - 2])

/** Sums the product to the factor's shape, and gives a vector its one axis back. */
function fitted(
  context: GradientContext,
  gradient: string,
  factor: string,
  vector: 'row' | 'column' | undefined,
): string {
  if (vector === undefined) return sumTo(context, gradient, gradient, factor)
  const rank = knownShape(context, gradient).length
  const summed = rank > 2 ? reduce(context, 'Sum', gradient, range(rank - 2), false) : gradient
  return reshapeLike(context, summed, factor)
}

/** MatMul with the identity matrix and Add of a zero bias, on the side of the layer's weight. */
const identity = (context: IdentityContext): InsertedLayer | Unsupported => {
  const { shape } = context.value
  const left = context.weightInput === 0
  const units = (left ? shape?.at(-2) : shape?.at(-1)) ?? context.weightDims.at(left ? -2 : -1)
  if (typeof units !== 'number') return unsupported('its number of units is not known')
  const nodes: InsertedNode[] = [
    {
      opType: 'MatMul',
      inputs: left ? ['weight', '$in'] : ['$in', 'weight'],
      outputs: ['product'],
      attributes: {},
    },
    { opType: 'Add', inputs: ['product', 'bias'], outputs: ['$out'], attributes: {} },
  ]
  return {
    nodes,
    parameters: [
      {
        name: 'weight',
        dims: [units, units],
        identity: { kind: 'identity', axes: [0, 1] },
        random: glorotUniform(units, units),
      },
      { name: 'bias', dims: left ? [units, 1] : [units], identity: zeros, random: zeros },
    ],
  }
}

const multiplyAdds = (context: InferContext, outputs: readonly { shape?: Shape | undefined }[]) => {
  const inner = context.shape(0)?.at(-1)
  return countProduct([outputs[0]?.shape, inner === undefined ? undefined : [inner]])
}

export const matMul: Operator = {
  name: 'MatMul',
  infer,
  axes,
  gradient,
  scaling: linearIn([1], [0]),
  sign: 'unknown',
  training: { parameters: [0, 1] },
  growth: {
    layer: {
      weight: (isParameter) =>
        isParameter(1)
          ? { input: 1, widthAxis: -1 }
          : isParameter(0)
            ? { input: 0, widthAxis: -2 }
            : undefined,
      // There is none: a position that no node has.
      bias: () => 2,
      identity,
    },
  },
  execution: {
    slicing: (_, position, dims) =>
      dims.length !== 2
        ? undefined
        : position === 1
          ? {
              data: 0,
              contractedAxis: { weight: 0, data: -1 },
              outputAxis: { weight: 1, output: -1 },
              batch: { data: -2, output: -2 },
            }
          : {
              data: 1,
              contractedAxis: { weight: 1, data: -2 },
              outputAxis: { weight: 0, output: -2 },
              batch: { data: -1, output: -1 },
            },
    multiplyAdds,
  },
}
