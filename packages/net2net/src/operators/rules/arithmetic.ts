/**
 * Arithmetic with broadcasting: y = a ∘ b, element by element, and its variadic relatives.
 * https://onnx.ai/onnx/operators/onnx__Add.html and neighbours
 *
 * Growth: an element of y depends on one element of each operand, so copies of a unit in all
 * operands give copies in y. Equal sizes are one axis (a residual stream is one group); a constant
 * per channel is copied with its channel; see helpers/broadcast.ts.
 *
 * Gradients, summed back over what was broadcast:
 *   a + b: g, g            a − b: g, −g           a·b: g·b, g·a
 *   a / b: g/b, −g·y/b     aᵇ: g·b·aᵇ⁻¹ (0 where b = 0), g·y·ln a (0 where a = 0)
 *   max, min: g, shared evenly among the operands that attain the extremum, as in PyTorch
 *   mod (fmod = 1): g, −g·(a − y)/b
 */

import { intAttribute } from '../../model/attributes.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import type { GrowthFacets, SameAsRule, TrainingFacets } from '../contract/facets.ts'
import { type GradientContext, type GradientRule, isCpu } from '../contract/gradient.ts'
import type { ValueInfo } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { blockedElementwise } from '../helpers/blocked.ts'
import { productBounds, sumBounds } from '../helpers/bounds.ts'
import {
  broadcastRule,
  type ElementRule,
  inferBroadcast,
  sumToInput,
} from '../helpers/broadcast.ts'
import { inRows, isPerChannel, sumOverSamples, sumsOfRows } from '../helpers/channel-rows.ts'
import { areSame, productOf, quotient } from '../helpers/dims.ts'
import { type ElementOperation, elementsOf } from '../helpers/elements.ts'
import { reshapeLike } from '../helpers/emission.ts'
import { type Backward, backward, castLike, formula, gradientOf } from '../helpers/formula.ts'
import {
  linearIn,
  linearInAll,
  multilinear,
  positivelyHomogeneousInAll,
} from '../helpers/scaling.ts'

interface BinaryOptions {
  readonly element?: ElementRule
  readonly gradient: GradientRule
  readonly scaling: Operator['scaling']
  readonly sign: Operator['sign']
  readonly growth?: GrowthFacets
  readonly operand?: TrainingFacets['operand']
}

/** x·1, x / 1, x + 0, x − 0, where x keeps its shape. */
const unchanged =
  ({ neutralLeft, neutralRight }: ElementOperation): SameAsRule =>
  ({ node, info, output }) => {
    const { shape } = output()
    const [a, b] = [info(node.inputs[0]!), info(node.inputs[1]!)]
    const isAll = (other: ValueInfo, number: number | undefined) =>
      number !== undefined && elementsOf(other)?.every((element) => element === number)
    if (isAll(b, neutralRight) && areSame(a.shape, shape)) return node.inputs[0]
    if (isAll(a, neutralLeft) && areSame(b.shape, shape)) return node.inputs[1]
    return undefined
  }

const binary = (
  name: string,
  { element, gradient, scaling, sign, growth, operand }: BinaryOptions,
): Operator => ({
  name,
  infer: inferBroadcast(element),
  axes: broadcastRule(element),
  gradient,
  scaling,
  sign,
  ...(growth && { growth }),
  ...(operand && { training: { operand } }),
  execution: {
    blocked: blockedElementwise,
    broadcasts: true,
    ...(typeof element === 'object' && { sameAs: unchanged(element) }),
  },
})

type Operands = Backward & { readonly a: string; readonly b: string; readonly y: string }

/** One formula per operand; the results are reduced to the operands' shapes. */
const binaryGradient = (
  ...rules: readonly [(context: Operands) => string, (context: Operands) => string]
): GradientRule =>
  gradientOf(
    ...rules.map((rule, i) => (context: Backward) => {
      const [a, b, y] = [context.input(0), context.input(1), context.output(0)]
      return sumToInput(context, i, rule({ ...context, a, b, y }))
    }),
  )

/** The same formula for every operand of a variadic operator. */
const variadicGradient =
  (rule: (context: Backward, i: number) => string): GradientRule =>
  (context) => {
    const g = context.outputGradient(0)
    return context.node.inputs.map((_, i) =>
      g !== undefined && context.needs(i)
        ? sumToInput(context, i, rule(backward(context, g), i))
        : undefined,
    )
  }

const eachFactor = gradientOf(
  ...[0, 1].map(
    (i) => (context: Backward) =>
      sumOfChannels(context, i) ??
      sumToInput(context, i, context.f.mul(context.g, context.input(1 - i))),
  ),
)

/**
 * The gradient of a factor per channel, where a Reshape has made the other one an image: such an image is in no blocks of channels, and summed up as rows it
 * need not be.
 */
function sumOfChannels({ f, g, ...context }: Backward, i: number): string | undefined {
  const [factor, image] = [context.input(i), context.input(1 - i)]
  const { shape = [] } = context.info(image)
  const isOfRows =
    isCpu(context.target) &&
    context.producerOf(context.input(1 - i))?.opType === 'Reshape' &&
    shape.length > 2 &&
    areSame(context.info(g).shape, shape) &&
    isPerChannel(context.info(factor).shape, shape)
  if (!isOfRows) return undefined
  const products = f.mul(inRows(context, g), inRows(context, image))
  const sums = sumOverSamples(context, sumsOfRows(context, products), image)
  return reshapeLike(context, sums, factor)
}

/**
 * Where one factor is the sigmoid of the other, y = x·σ(x), as exporters write SiLU: then all of g·(s + y·(1 − s)) is
 * given to x, in half the passes that the two factors and the sigmoid would take.
 */
const productGradient: GradientRule = (context) => {
  const g = context.outputGradient(0)
  const gated = [0, 1].find((i) => {
    const gate = context.producerOf(context.input(1 - i))
    return gate?.opType === 'Sigmoid' && gate.domain === '' && gate.inputs[0] === context.input(i)
  })
  if (g === undefined) return []
  if (gated === undefined || !context.needs(gated)) return scaled(context, g, eachFactor(context))
  const { add, sub, mul } = formula(context, g)
  const s = context.input(1 - gated)
  const gradient = mul(g, add(s, mul(context.output(0), sub(1, s))))
  return [0, 1].map((i) => (i === gated ? gradient : undefined))
}

/** Tells whoever reads the gradient of what was multiplied by a smaller factor what it is made of. */
function scaled(
  context: GradientContext,
  gradient: string,
  gradients: readonly (string | undefined)[],
): readonly (string | undefined)[] {
  const shapeOf = (name: string) => String(context.info(name).shape)
  for (const [i, found] of gradients.entries()) {
    const [value, factor] = [context.input(i), context.input(1 - i)]
    const isWhole = shapeOf(value) === shapeOf(gradient) && shapeOf(factor) !== shapeOf(gradient)
    if (found === undefined || !isWhole) continue
    context.hint(found, { ...context.hintOf(found), scaled: { gradient, value, factor } })
  }
  return gradients
}

const extremum = variadicGradient((context, i) => {
  const { f, g, node, input, output } = context
  if (node.inputs.length === 1) return g
  const attains = (k: number) => castLike(context, f.equal(input(k), output(0)), g)
  const count = node.inputs.map((_, k) => attains(k)).reduce((a, b) => f.add(a, b))
  return f.mul(attains(i), f.div(g, count))
})

const powerOfBase = ({ f, g, a, b, ...context }: Operands): string => {
  const exponent = context.info(b).dtype === context.info(a).dtype ? b : castLike(context, b, a)
  const known = elementsOf(context.info(b))
  if (known?.length === 1 && known[0] === 2) return f.mul(f.mul(g, 2), a)
  const slope = f.mul(exponent, f.pow(a, f.sub(exponent, 1)))
  const neverZero = known?.every((value) => typeof value === 'number' && value !== 0) ?? false
  return f.mul(g, neverZero ? slope : f.where(f.equal(exponent, 0), 0, slope))
}

const power: Operator = {
  name: 'Pow',
  infer: inferBroadcast(),
  axes: broadcastRule(),
  gradient: binaryGradient(powerOfBase, ({ f, g, a, y }) =>
    f.mul(g, f.where(f.equal(a, 0), 0, f.mul(y, f.log(a)))),
  ),
  scaling: 'none',
  sign: 'unknown',
  growth: {
    keepsZero: (constant) => {
      const exponent = constant(1)
      return exponent !== undefined && [...toNumbers(exponent)].every((value) => value > 0)
    },
  },
  execution: { broadcasts: true },
}

export const arithmetic: readonly Operator[] = [
  binary('Add', {
    scaling: linearInAll,
    element: { numbers: (a, b) => a + b, neutralLeft: 0, neutralRight: 0, sizes: 'sum' },
    gradient: binaryGradient(
      ({ g }) => g,
      ({ g }) => g,
    ),
    sign: 'inherited',
    growth: {
      bias: true,
      sum: true,
      bounds: ([a, b]) => a && b && sumBounds(a, b),
    },
    operand: 'bias',
  }),
  binary('Sub', {
    scaling: linearInAll,
    element: { numbers: (a, b) => a - b, neutralRight: 0, equalSymbols: 0, sizes: 'difference' },
    gradient: binaryGradient(
      ({ g }) => g,
      ({ f, g }) => f.neg(g),
    ),
    sign: 'unknown',
    growth: { difference: true },
  }),
  binary('Mul', {
    scaling: multilinear,
    element: {
      numbers: (a, b) => a * b,
      neutralLeft: 1,
      neutralRight: 1,
      sizes: 'product',
      symbols: (a, b) => productOf([a, b]),
    },
    operand: 'scale',
    gradient: productGradient,
    sign: 'inherited',
    growth: { bounds: ([a, b]) => a && b && productBounds(a, b) },
  }),
  binary('Div', {
    scaling: linearIn([0]),
    element: {
      numbers: (a, b) => a / b,
      neutralRight: 1,
      equalSymbols: 1,
      sizes: 'quotient',
      symbols: (a, b) => quotient([a], [b]),
    },
    gradient: binaryGradient(
      ({ f, g, b }) => f.div(g, b),
      ({ f, g, b, y }) => f.neg(f.div(f.mul(g, y), b)),
    ),
    sign: 'inherited',
  }),
  binary('Mod', {
    scaling: 'none',
    // With the sign of a where fmod is 1, else with that of b.
    element: (node) => ({
      numbers:
        intAttribute(node, 'fmod', 0) === 1 ? (a, b) => a % b : (a, b) => a - Math.floor(a / b) * b,
    }),
    sign: 'unknown',
    gradient: binaryGradient(
      ({ g }) => g,
      ({ f, g, a, b, y }) => f.neg(f.div(f.mul(g, f.sub(a, y)), b)),
    ),
  }),
  power,
  binary('Max', {
    scaling: positivelyHomogeneousInAll,
    element: { numbers: Math.max, equalSymbols: 'itself' },
    gradient: extremum,
    sign: 'inherited',
  }),
  binary('Min', {
    scaling: positivelyHomogeneousInAll,
    element: { numbers: Math.min, equalSymbols: 'itself' },
    gradient: extremum,
    sign: 'inherited',
  }),
  binary('Sum', {
    scaling: linearInAll,
    growth: { sum: true },
    gradient: variadicGradient(({ g }) => g),
    sign: 'inherited',
  }),
  binary('Mean', {
    scaling: linearInAll,
    gradient: variadicGradient(({ f, g, node }) => f.div(g, node.inputs.length)),
    sign: 'inherited',
  }),
]
