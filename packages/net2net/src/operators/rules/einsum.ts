/**
 * Einsum: a sum of products over named axes; letters that the result does not have are summed
 * over. https://onnx.ai/onnx/operators/onnx__Einsum.html
 *
 * Growth. A letter names one axis in all operands that have it. A letter of the result is copied.
 * A letter that is summed over takes split coefficients in the weight if one of two operands that have it
 * is one, and in one of the operands, which the growth solver finds, if none is; otherwise it is fixed.
 *
 * Gradients: with ∂L/∂y in place of the operand and the operand in place of the result, the same
 * kind of product. An axis of size one that was broadcast is summed over; an axis that neither the
 * result nor another operand has, or has in full, is repeated; where a letter stands twice in the
 * operand, the gradient lies on the diagonal.
 */
import { inputError } from '../../errors.ts'
import { stringAttribute } from '../../model/attributes.ts'
import type { Dim, Node, Shape } from '../../model/model.ts'
import { scalar } from '../../tensor/tensor.ts'
import { unsupported } from '../contract/answers.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { ExecutionFacets, LayerFacet } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { broadcastDim } from '../helpers/broadcast.ts'
import { ints, knownShape, numberLike, range, shapeOf, unsqueeze } from '../helpers/emission.ts'
import { sumsProducts } from '../helpers/matrix-product.ts'
import { multilinear } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'
import { matMul } from './mat-mul.ts'

interface Equation {
  readonly operands: readonly (readonly string[])[]
  readonly result: readonly string[]
}

/**
 * The letters of the operands and of the result. An ellipsis stands for the axes that an operand of that
 * rank has beside its letters, aligned at the last; they get letters that nobody uses. undefined where
 * such a rank is not known.
 */
function lettersOf(node: Node, rank: (operand: number) => number | undefined) {
  const text = stringAttribute(node, 'equation', '').replaceAll(' ', '')
  const [left = '', right] = text.split('->')
  const terms = left.split(',')
  const term = '[a-zA-Z]*([.]{3}[a-zA-Z]*)?'
  if (!new RegExp(`^${term}(,${term})*(->${term})?$`).test(text))
    throw inputError(`The equation "${text}" is not one of Einsum.`)
  if (terms.length !== node.inputs.length)
    throw inputError(
      `The equation "${text}" is of ${terms.length} operands, and the node has ${node.inputs.length} inputs.`,
    )
  const used = new Set(text.match(/[a-zA-Z]/g))
  const free = alphabet.filter((letter) => !used.has(letter))
  let covered = 0
  const operands: (readonly string[])[] = []
  for (const [i, letters] of terms.entries()) {
    if (!letters.includes('...')) {
      operands.push([...letters])
      continue
    }
    const known = rank(i)
    if (known === undefined) return undefined
    const count = known - letters.length + 3
    if (count < 0) throw inputError(`Operand ${i} has rank ${known}, too few for "${letters}".`)
    covered = Math.max(covered, count)
    operands.push(withCovered(letters, free.slice(0, count)))
  }
  const broadcast = free.slice(0, covered)
  const all = operands.flat()
  // Without an arrow the result has what an ellipsis covers, then the letters that occur once, in
  // alphabetical order.
  const result =
    right === undefined
      ? [
          ...[...broadcast].reverse(),
          ...[...new Set(all)]
            .filter((letter) => used.has(letter) && all.indexOf(letter) === all.lastIndexOf(letter))
            .sort(),
        ]
      : withCovered(right, broadcast)
  return { operands, result }
}

const alphabet: readonly string[] = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz']

/** The first of the letters stands for the last axis that the ellipsis covers. */
const withCovered = (letters: string, covered: readonly string[]): readonly string[] => [
  ...letters.replace('...', [...covered].reverse().join('')),
]

/** undefined for what growth does not follow: ellipses, and letters twice in one operand. */
function equationOf(node: Node): Equation | undefined {
  const equation = lettersOf(node, () => undefined)
  const { operands, result } = equation ?? { operands: [], result: [] }
  const repeats = [...operands, result].some((letters) => new Set(letters).size < letters.length)
  return repeats ? undefined : equation
}

/** What each letter's axis is long, after broadcasting. */
function sizesOf({ operands }: Equation, shape: (i: number) => Shape | undefined) {
  const sizes = new Map<string, Dim>()
  operands.forEach((letters, i) => {
    const own = shape(i)
    if (own && own.length !== letters.length)
      throw inputError(`Operand ${i} has rank ${own.length} instead of ${letters.length}.`)
    letters.forEach((letter, k) => {
      const joined = broadcastDim(sizes.get(letter) ?? 1, own?.[k] ?? null)
      if (joined === undefined) throw inputError(`The axis "${letter}" has two different sizes.`)
      sizes.set(letter, joined)
    })
  })
  return sizes
}

const infer: InferRule = (context) => {
  const equation = lettersOf(context.node, (i) => context.shape(i)?.length)
  if (!equation) return [inferredFrom(context, undefined)]
  const sizes = sizesOf(equation, (i) => context.shape(i))
  return [
    inferredFrom(
      context,
      equation.result.map((letter) => sizes.get(letter) ?? null),
    ),
  ]
}

const axes: AxesRule = (context) => {
  const equation = equationOf(context.node)
  if (!equation)
    return context.refuse(
      'has an equation with an ellipsis or a repeated letter, which is not followed',
    )
  const { operands, result } = equation
  const named = new Map<string, { operand: number; position: number; axis: Axis }[]>()
  operands.forEach((letters, operand) => {
    const own = context.axes(operand)
    letters.forEach((letter, position) => {
      const uses = named.get(letter) ?? []
      uses.push({ operand, position, axis: own[position]! })
      named.set(letter, uses)
    })
  })
  const kept = new Map<string, Axis>()
  for (const [letter, uses] of named) {
    const sizes = new Set(uses.map((use) => context.shape(use.operand)?.[use.position]))
    if (sizes.size > 1) context.refuse(`repeats the axis "${letter}" of size one over a larger one`)
    if (result.includes(letter)) {
      kept.set(
        letter,
        uses.map((use) => use.axis).reduce((a, b) => context.unify(a, b)),
      )
      continue
    }
    const weights = uses.filter((use) => context.isParameter(use.operand))
    if (weights.length === 0 || (weights.length === 1 && uses.length === 2))
      context.contract(
        uses.map(({ operand, position }) => ({ input: operand, axis: position })),
        uses.length === 2 ? sumsProducts : 'sums over it',
      )
    else
      for (const { axis } of uses)
        context.fix(axis, 'sums over it without a weight that could be split')
  }
  return [{ axes: result.map((letter) => kept.get(letter)!) }]
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const shape = (i: number) => context.info(context.input(i)).shape
  const equation = lettersOf(context.node, (i) => knownShape(context, context.input(i)).length)!
  const sizes = sizesOf(equation, shape)
  return equation.operands.map((_, i) =>
    context.needs(i) ? operandGradient(context, { dy, equation, sizes, i }) : undefined,
  )
}

interface OperandOf {
  readonly dy: string
  readonly equation: Equation
  readonly sizes: ReadonlyMap<string, Dim>
  readonly i: number
}

function operandGradient(
  context: GradientContext,
  { dy, equation: { operands, result }, sizes, i }: OperandOf,
): string {
  const x = context.input(i)
  const letters = operands[i]!
  const others = operands.flatMap((_, k) => (k === i ? [] : [k]))
  const dims = (k: number) => context.info(context.input(k)).shape
  const isOne = (k: number, letter: string) =>
    dims(k)?.[operands[k]!.indexOf(letter)] === 1 && sizes.get(letter) !== 1
  /** Letters of this operand along which the others and the result are as long as it is. */
  const whole = new Set(
    [
      ...result,
      ...others.flatMap((k) => operands[k]!.filter((letter) => !isOne(k, letter))),
    ].filter((letter) => letters.includes(letter) && !isOne(i, letter)),
  )
  const kept = [...new Set(letters)].filter((letter) => whole.has(letter))
  // A gradient that is a single number has no term of its own: it is a factor.
  const factors = [
    ...(result.length > 0 ? [{ name: dy, letters: result }] : []),
    ...others.map((k) => ({ name: context.input(k), letters: operands[k]! })),
  ]
  const terms = factors.map((factor) => factor.letters.join(''))
  const contracted =
    factors.length === 0
      ? dy
      : context.op(
          'Einsum',
          factors.map(({ name }) => name),
          { equation: `${terms.join(',')}->${kept.join('')}` },
        )
  const product =
    result.length === 0 && factors.length > 0 ? context.op('Mul', [contracted, dy]) : contracted
  const first = (k: number) => letters.indexOf(letters[k]!) === k
  const missing = range(letters.length).filter((k) => !first(k) || !whole.has(letters[k]!))
  const repeated = missing.some((k) => !isOne(i, letters[k]!))
  const spread = unsqueeze(context, product, missing)
  if (!repeated) return spread
  const full = context.op('Expand', [spread, shapeOf(context, x)])
  return range(letters.length)
    .filter((k) => !first(k))
    .reduce((value, k) => onDiagonal(context, value, x, letters.indexOf(letters[k]!), k), full)
}

/** The value where the positions along two axes of `x` are equal, 0 elsewhere. */
function onDiagonal(context: GradientContext, value: string, x: string, a: number, b: number) {
  const rank = knownShape(context, x).length
  const scalarOf = (name: string) => context.op('Squeeze', [name, ints(context, [0])])
  const positions = context.op('Range', [
    context.constant(scalar('int64', 0)),
    scalarOf(shapeOf(context, x, a, a + 1)),
    context.constant(scalar('int64', 1)),
  ])
  const along = (axis: number) =>
    unsqueeze(
      context,
      positions,
      range(rank).filter((k) => k !== axis),
    )
  const same = context.op('Equal', [along(a), along(b)])
  return context.op('Where', [same, value, numberLike(context, value, 0)])
}

/** The one weight among the operands, and the one axis that it alone gives to the result. */
const weight: LayerFacet['weight'] = (isParameter, node) => {
  const equation = equationOf(node)
  const weights = node.inputs.flatMap((_, i) => (isParameter(i) ? [i] : []))
  if (!equation || weights.length !== 1 || node.inputs.length < 2) return undefined
  const { operands, result } = equation
  const input = weights[0]!
  const others = new Set(operands.flatMap((letters, i) => (i === input ? [] : letters)))
  const own = operands[input]!.filter((letter) => result.includes(letter) && !others.has(letter))
  return own.length === 1 ? { input, widthAxis: result.indexOf(own[0]!) } : undefined
}

/** Where the units are the last axis: the layer that a MatMul would get. */
const identity: LayerFacet['identity'] = (context) => {
  const axis = weight((i) => i === context.weightInput, context.node)?.widthAxis
  const last = equationOf(context.node)!.result.length - 1
  if (axis !== last) return unsupported('its units are not the last axis of its result')
  return matMul.growth!.layer!.identity({ ...context, weightInput: 1 })
}

const multiplyAdds: ExecutionFacets['multiplyAdds'] = (context) => {
  const sizes = new Map<string, Dim>()
  equationOf(context.node)?.operands.forEach((letters, i) => {
    letters.forEach((letter, k) => {
      const dim = context.shape(i)?.[k] ?? null
      if (dim !== 1 || !sizes.has(letter)) sizes.set(letter, dim)
    })
  })
  return sizes.size === 0 ? null : countProduct([[...sizes.values()]])
}

export const einsum: Operator = {
  name: 'Einsum',
  infer,
  axes,
  gradient,
  scaling: multilinear,
  sign: 'unknown',
  training: { parameters: [0, 1, 2, 3] },
  growth: { layer: { weight, identity } },
  execution: { multiplyAdds },
}
