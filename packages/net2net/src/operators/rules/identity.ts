/**
 * Identity, Cast and CastLike: y = x, possibly in another element type.
 * https://onnx.ai/onnx/operators/onnx__Cast.html
 *
 * Growth: an element of y depends on one element of x, so every axis is kept. Gradient: g, cast back; none through integers and booleans.
 */
import { inputError } from '../../errors.ts'
import { intAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import { type DType, dtypeFromCode, isFloat } from '../../tensor/dtype.ts'
import type { AxesRule, AxisElement } from '../contract/axes.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { blockedElementwise } from '../helpers/blocked.ts'
import { castLike, gradientOf } from '../helpers/formula.ts'

/** Axes and elements of input 0, unchanged. */
const sameValue: AxesRule = (context) => [
  { axes: context.axes(0), elements: context.axisElements(0) },
]

function castTarget(context: InferContext): DType | undefined {
  if (context.node.opType === 'CastLike') return context.dtype(1)
  const code = intAttribute(context.node, 'to', undefined)
  const dtype = code === undefined ? undefined : dtypeFromCode(code)
  if (dtype === undefined) throw inputError(`The target type ${code} of a Cast is not known.`)
  return dtype
}

const castElement = (value: number, dtype: DType | undefined) =>
  dtype === undefined
    ? undefined
    : dtype === 'bool'
      ? Number(value !== 0)
      : isFloat(dtype)
        ? dtype === 'float64'
          ? value
          : Math.fround(value)
        : Math.trunc(value)

/** Rounding to whole numbers keeps no factors. */
const isToFloat = (node: Node): boolean => {
  const dtype = dtypeFromCode(intAttribute(node, 'to', 0))
  return dtype !== undefined && isFloat(dtype)
}

const cast = (name: string): Operator => ({
  name,
  infer: (context) => {
    const dtype = castTarget(context)
    const elements = context
      .elements(0)
      ?.map(
        (value): Dim => (typeof value === 'number' ? (castElement(value, dtype) ?? null) : value),
      )
    return [{ dtype, shape: context.shape(0), ...(elements && { elements }) }]
  },
  axes: (context) => {
    const dtype = castTarget(context)
    const elements = context.axisElements(0)?.map((element): AxisElement => {
      if (element.kind !== 'value') return element
      const value = castElement(element.value, dtype)
      return value === element.value
        ? element
        : value === undefined
          ? { kind: 'unknown' }
          : { kind: 'value', value }
    })
    return [elements ? { axes: context.axes(0), elements } : { axes: context.axes(0) }]
  },
  gradient: (context) => {
    const g = context.outputGradient(0)
    const from = context.info(context.input(0)).dtype ?? 'float32'
    const wanted = g !== undefined && context.needs(0) && isFloat(from)
    return [wanted ? castLike(context, g, context.input(0)) : undefined]
  },
  sign: 'inherited',
  scaling: { inputs: (node) => (isToFloat(node) ? [[0]] : []), linear: true, moves: true },
  execution: {
    sameAs: ({ node, info, output }) => {
      const [from, to] = [info(node.inputs[0]!).dtype, output().dtype]
      return from !== undefined && from === to ? node.inputs[0] : undefined
    },
  },
})

export const identities: readonly Operator[] = [
  {
    name: 'Identity',
    infer: (context) => [
      {
        dtype: context.dtype(0),
        shape: context.shape(0),
        elements: context.elements(0),
        constant: context.constant(0),
      },
    ],
    axes: sameValue,
    gradient: gradientOf(({ g }) => g),
    sign: 'inherited',
    scaling: 'view',
    execution: {
      // What nothing else reads may still become part of what comes next.
      blocked: (context) =>
        context.convolution(0) ? [context.blocks(0)] : blockedElementwise(context),
    },
  },
  cast('Cast'),
  { ...cast('CastLike'), reads: { numbers: [1] } },
]
