/**
 * Einsum: a sum of products over named axes; letters that the result does not have are summed
 * over. https://onnx.ai/onnx/operators/onnx__Einsum.html
 *
 * Growth. A letter names one axis in all operands that have it. A letter of the result is carried.
 * A letter that is summed over takes shares in the weight if one of two operands that have it is
 * one, and in one of the operands (growth/shares.ts) if none is; otherwise it is frozen.
 *
 * Gradients: with ∂L/∂y in place of the operand and the operand in place of the result, the same
 * kind of product. Letters that occur in one operand alone would have to be repeated.
 */
import { inputError } from '../../errors.ts'
import { stringAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import type { Axis } from '../contract/axis.ts'
import {
  type AxesRule,
  type GradientRule,
  type InferRule,
  type LayerFacet,
  type Operator,
  unsupported,
} from '../contract/operator.ts'
import { broadcastDim } from '../helpers/broadcast.ts'
import { cannotDifferentiate } from '../helpers/emission.ts'
import { multilinear } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'
import { sumsProducts } from './gemm.ts'
import { matMul } from './mat-mul.ts'

interface Equation {
  readonly operands: readonly (readonly string[])[]
  readonly result: readonly string[]
}

/** undefined for what we do not follow: ellipses, and letters twice in one operand. */
function equationOf(node: Node): Equation | undefined {
  const text = stringAttribute(node, 'equation', '').replaceAll(' ', '')
  const [left = '', right] = text.split('->')
  const operands = left.split(',').map((operand) => [...operand])
  if (!/^[a-zA-Z,]*(->[a-zA-Z]*)?$/.test(text)) return undefined
  if (operands.length !== node.inputs.length)
    throw inputError(`The equation "${text}" has ${operands.length} operands.`)
  const all = operands.flat()
  // Without an arrow the result has the letters that occur once, in alphabetical order.
  const result =
    right === undefined
      ? [...new Set(all)].filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort()
      : [...right]
  const repeats = [...operands, result].some((letters) => new Set(letters).size < letters.length)
  return repeats ? undefined : { operands, result }
}

const infer: InferRule = (context) => {
  const equation = equationOf(context.node)
  if (!equation) return [inferredFrom(context, undefined)]
  const sizes = new Map<string, Dim>()
  equation.operands.forEach((letters, i) => {
    const shape = context.shape(i)
    if (shape && shape.length !== letters.length)
      throw inputError(`Operand ${i} has rank ${shape.length} instead of ${letters.length}.`)
    letters.forEach((letter, k) => {
      const joined = broadcastDim(sizes.get(letter) ?? 1, shape?.[k] ?? null)
      if (joined === undefined) throw inputError(`The axis "${letter}" has two different sizes.`)
      sizes.set(letter, joined)
    })
  })
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
  const carried = new Map<string, Axis>()
  for (const [letter, uses] of named) {
    const sizes = new Set(uses.map((use) => context.shape(use.operand)?.[use.position]))
    if (sizes.size > 1) context.refuse(`repeats the axis "${letter}" of size one over a larger one`)
    if (result.includes(letter)) {
      carried.set(
        letter,
        uses.map((use) => use.axis).reduce((a, b) => context.same(a, b)),
      )
      continue
    }
    const weights = uses.filter((use) => context.isParameter(use.operand))
    if (weights.length === 0 || (weights.length === 1 && uses.length === 2))
      context.sumProducts(
        uses.map(({ operand, position }) => ({ input: operand, axis: position })),
        uses.length === 2 ? sumsProducts : 'sums over it',
      )
    else
      for (const { axis } of uses) context.freeze(axis, 'sums over it without a weight for shares')
  }
  return [{ axes: result.map((letter) => carried.get(letter)!) }]
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const equation = equationOf(context.node)
  if (!equation)
    throw cannotDifferentiate(context, 'its equation has an ellipsis or a repeated letter')
  const { operands, result } = equation
  return operands.map((letters, i) => {
    if (!context.needs(i)) return undefined
    const others = operands.flatMap((_, k) => (k === i ? [] : [k]))
    const available = new Set([...result, ...others.flatMap((k) => operands[k]!)])
    const missing = letters.find((letter) => !available.has(letter))
    if (missing !== undefined)
      throw cannotDifferentiate(context, `only one operand has the axis "${missing}"`)
    const left = [result, ...others.map((k) => operands[k]!)].map((list) => list.join(''))
    return context.op('Einsum', [dy, ...others.map((k) => context.input(k))], {
      equation: `${left.join(',')}->${letters.join('')}`,
    })
  })
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
  return matMul.layer!.identity({ ...context, weightInput: 1 })
}

const multiplyAdds: Operator['multiplyAdds'] = (context) => {
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
  parameters: [0, 1, 2, 3],
  homogeneous: multilinear,
  layer: { weight, identity },
  multiplyAdds,
}
