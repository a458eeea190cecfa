/**
 * Gemm: Y = α·A′·B′ + β·C, where A′ is A or Aᵀ (transA), B′ is B or Bᵀ (transB), and C is
 * broadcast to the result or missing. https://onnx.ai/onnx/operators/onnx__Gemm.html
 *
 * Growth. Y[i, j] = α Σ_k A′[i, k]·B′[k, j] + β·C[i, j]. The rows of A′ and the columns of B′ are
 * those of the result; the bias is copied with them, or repeated over them where it has size
 * one. The inner axis is summed over: where one factor is a weight, copies of index k in the
 * other factor meet weight slices whose split coefficients add up to one, so the sum is what it
 * was; where none is, one of the two is split, which the growth solver finds. α and β multiply the whole result and
 * change nothing of this.
 *
 * Identity: B′ is the identity matrix, C zero, α = β = 1.
 *
 * Gradients, with δ = ∂L/∂Y: ∂L/∂A′ = α·δ·B′ᵀ, ∂L/∂B′ = α·A′ᵀ·δ, and ∂L/∂C = β·δ summed over the
 * axes along which C was repeated.
 */
import { inputError } from '../../errors.ts'
import { float, floatAttribute, intAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { glorotUniform, zeros } from '../../tensor/fill.ts'
import { type Unsupported, unsupported } from '../contract/answers.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { IdentityContext, InsertedLayer } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { sumTo } from '../helpers/broadcast.ts'
import { formula } from '../helpers/formula.ts'
import { agree, sumsProducts } from '../helpers/matrix-product.ts'
import { linearIn } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'

interface GemmForm {
  readonly transA: boolean
  readonly transB: boolean
  readonly alpha: number
  readonly beta: number
}
const formOf = (node: Node): GemmForm => ({
  transA: intAttribute(node, 'transA', 0) !== 0,
  transB: intAttribute(node, 'transB', 0) !== 0,
  alpha: floatAttribute(node, 'alpha', 1),
  beta: floatAttribute(node, 'beta', 1),
})

const infer: InferRule = (context) => {
  const { transA, transB } = formOf(context.node)
  const a = context.shape(0)
  const b = context.shape(1)
  for (const shape of [a, b])
    if (shape && shape.length !== 2)
      throw inputError(`A factor of a matrix product has rank ${shape.length} instead of 2.`)
  const [rows, inner] = transA ? [a?.[1], a?.[0]] : [a?.[0], a?.[1]]
  const [otherInner, columns] = transB ? [b?.[1], b?.[0]] : [b?.[0], b?.[1]]
  agree(inner, otherInner)
  return [inferredFrom(context, [rows ?? null, columns ?? null])]
}

const axes: AxesRule = (context) => {
  const { transA, transB } = formOf(context.node)
  const a = context.axes(0, 2)
  const b = context.axes(1, 2)
  const innerA = transA ? 0 : 1
  const innerB = transB ? 1 : 0
  context.contract(
    [
      { input: 0, axis: innerA },
      { input: 1, axis: innerB },
    ],
    sumsProducts,
  )
  const result = [a[1 - innerA]!, b[1 - innerB]!]
  if (context.has(2)) {
    const c = context.axes(2)
    const sizes = context.shape(2)!
    const output = context.output(0).shape
    c.forEach((axis, k) => {
      const at = k + 2 - c.length
      if (sizes[k] !== 1 || output?.[at] === 1) result[at] = context.unify(result[at]!, axis)
      else context.fix(axis, 'repeats it over a larger axis')
    })
  }
  return [{ axes: result }]
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const form = formOf(context.node)
  return [
    context.needs(0) ? leftGradient(context, dy, form) : undefined,
    context.needs(1) ? rightGradient(context, dy, form) : undefined,
    context.has(2) && context.needs(2) ? biasGradient(context, dy, form) : undefined,
  ]
}

const product = (
  context: GradientContext,
  a: string,
  transA: boolean,
  b: string,
  transB: boolean,
  alpha: number,
): string =>
  context.op('Gemm', [a, b], {
    transA: transA ? 1 : undefined,
    transB: transB ? 1 : undefined,
    alpha: alpha === 1 ? undefined : float(alpha),
  })

/** ∂L/∂A: α·δ·B′ᵀ, transposed where A is. */
function leftGradient(context: GradientContext, dy: string, form: GemmForm): string {
  const b = context.input(1)
  return form.transA
    ? product(context, b, form.transB, dy, true, form.alpha)
    : product(context, dy, false, b, !form.transB, form.alpha)
}

/** ∂L/∂B: α·A′ᵀ·δ, transposed where B is. */
function rightGradient(context: GradientContext, dy: string, form: GemmForm): string {
  const a = context.input(0)
  return form.transB
    ? product(context, dy, true, a, form.transA, form.alpha)
    : product(context, a, !form.transA, dy, false, form.alpha)
}

function biasGradient(context: GradientContext, dy: string, { beta }: GemmForm): string {
  const summed = sumTo(context, dy, context.output(0), context.input(2))
  return beta === 1 ? summed : formula(context, dy).mul(summed, beta)
}

/** An identity matrix with bias, stored the way the layer stores its weight. */
const identity = (context: IdentityContext): InsertedLayer | Unsupported => {
  const { shape } = context.value
  const transB = formOf(context.node).transB
  const units = shape?.[1] ?? context.weightDims[transB ? 0 : 1]
  if (typeof units !== 'number') return unsupported('its number of units is not known')
  return {
    nodes: [
      {
        opType: 'Gemm',
        inputs: ['$in', 'weight', 'bias'],
        outputs: ['$out'],
        attributes: { transB: transB ? 1 : undefined },
      },
    ],
    parameters: [
      {
        name: 'weight',
        dims: [units, units],
        identity: { kind: 'identity', axes: [0, 1] },
        random: glorotUniform(units, units),
      },
      { name: 'bias', dims: [units], identity: zeros, random: zeros },
    ],
  }
}

export const gemm: Operator = {
  name: 'Gemm',
  infer,
  axes,
  gradient,
  scaling: linearIn([1, 2], [0, 2]),
  sign: 'unknown',
  training: { parameters: [0, 1, 2] },
  growth: {
    layer: {
      weight: (isParameter) =>
        isParameter(1)
          ? { input: 1, widthAxis: 1 }
          : isParameter(0)
            ? { input: 0, widthAxis: 0 }
            : undefined,
      bias: (node) =>
        ['alpha', 'beta'].every((name) => floatAttribute(node, name, 1) === 1) ? 2 : undefined,
      identity,
    },
  },
  execution: {
    slicing(node, position) {
      if (position !== 1) return undefined
      const { transA, transB } = formOf(node)
      const inner = transB ? 1 : 0
      return {
        data: 0,
        contractedAxis: { weight: inner, data: transA ? 0 : 1 },
        outputAxis: { weight: 1 - inner, output: 1 },
        batch: { data: transA ? 1 : 0, output: 0 },
        bias: 2,
      }
    },
    multiplyAdds: (context, outputs) => {
      const a = context.shape(0)
      const inner = a?.[formOf(context.node).transA ? 0 : 1]
      return countProduct([outputs[0]?.shape, inner === undefined ? undefined : [inner]])
    },
    // It asks a scalar for its last axis.
    wrongOnWebGpu: ({ has, shape }) => has(2) && !shape(2)?.length,
  },
}
