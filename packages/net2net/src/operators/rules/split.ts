/**
 * Split: neighbouring parts of an axis, of given or of equal sizes.
 * https://onnx.ai/onnx/operators/onnx__Split.html
 *
 * Growth: the axis is the sum of the parts, which grow independently where their sizes are written
 * down (these follow), and alike where the split is into equal parts. Gradient: the parts'
 * gradients joined, zeros where nothing depends on a part.
 */
import { inputError } from '../../errors.ts'
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { AxesContext } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { GradientRule } from '../contract/gradient.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { blockedChannels } from '../helpers/blocked.ts'
import { shown } from '../helpers/dims.ts'
import { numbers } from '../helpers/elements.ts'
import { zerosLike } from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

const axisOf = (context: Pick<InferContext, 'node'>, rank: number) =>
  axisPosition(intAttribute(context.node, 'axis', 0), rank)

/** Sizes that are written down: an input, or before opset 13 an attribute. */
const writtenSizes = (context: InferContext): readonly number[] | undefined =>
  context.opset < 13 ? intsAttribute(context.node, 'split') : numbers(context, 1)

const hasSizes = (context: InferContext) =>
  context.opset < 13 ? context.node.attributes.has('split') : context.has(1)

/** Size of every part of an axis of size `dim`; null where it is not known. */
function partSizes(context: InferContext, dim: Dim): readonly Dim[] {
  const count = context.node.outputs.length
  if (hasSizes(context)) {
    const sizes = writtenSizes(context)
    const total = sizes?.reduce((a, b) => a + b, 0)
    if (sizes && typeof dim === 'number' && total !== dim)
      throw inputError(
        `It splits an axis of size ${dim} into parts of ${shown(sizes).join(' + ')}.`,
      )
    return sizes ?? Array(count).fill(null)
  }
  if (typeof dim !== 'number') return Array(count).fill(null)
  // Equal parts, the last one smaller where the size does not divide (opset 18).
  const size = Math.ceil(dim / count)
  return Array.from({ length: count }, (_, k) => Math.max(0, Math.min(size, dim - k * size)))
}

/** A vector of sizes, taken apart. */
function splitElements<T>(
  sizes: readonly Dim[],
  rank: number,
  elements: readonly T[] | undefined,
): readonly (readonly T[])[] | undefined {
  if (rank !== 1 || !elements || !sizes.every((size) => typeof size === 'number')) return undefined
  let end = 0
  return sizes.map((size) => {
    const start = end
    end += Number(size)
    return elements.slice(start, end)
  })
}

function partAxes(context: AxesContext, axis: Axis, dim: Dim): readonly Axis[] {
  const sizes = partSizes(context, dim)
  const parts: Axis[] = []
  let start = 0
  for (const size of sizes) {
    const part =
      typeof size === 'number' && size > 0 && typeof dim === 'number'
        ? context.slice(axis, start, start + size)
        : undefined
    if (part === undefined) {
      const reason = 'splits it into parts that do not follow when it grows'
      context.fix(axis, reason)
      fixSizes(context, context.opset < 13 ? undefined : context.axisElements(1))
      return sizes.map((each) => context.fixed(each, reason))
    }
    parts.push(part)
    start += Number(size)
  }
  if (hasSizes(context))
    parts.forEach((part, k) => {
      if (context.opset < 13) context.sizeAttribute('split', part, k)
      else context.sizeElement(1, k, part)
    })
  else if (new Set(sizes).size === 1)
    for (const part of parts.slice(1)) context.unify(parts[0]!, part)
  else context.fix(axis, 'splits it into unequal parts')
  return parts
}

const gradient: GradientRule = (context) => {
  const { outputs, inputs } = context.node
  const parts = outputs.map((name, k) => (name === '' ? undefined : context.outputGradient(k)))
  if (!context.needs(0) || parts.every((part) => part === undefined))
    return inputs.map(() => undefined)
  const all = parts.map((part, k) => part ?? zerosLike(context, context.output(k)))
  const joined =
    all.length === 1
      ? all[0]
      : context.op('Concat', all, { axis: intAttribute(context.node, 'axis', 0) })
  return inputs.map((_, i) => (i === 0 ? joined : undefined))
}

export const splits: readonly Operator[] = [
  {
    name: 'Split',
    infer: (context) => {
      const shape = context.shape(0)
      const dtype = context.dtype(0)
      if (!shape) return context.node.outputs.map(() => ({ dtype }))
      const axis = axisOf(context, shape.length)
      const sizes = partSizes(context, shape[axis]!)
      const elements = splitElements(sizes, shape.length, context.elements(0))
      return sizes.map((size, k) => ({
        dtype,
        shape: shape.map((dim, own) => (own === axis ? size : dim)),
        ...(elements && { elements: elements[k] }),
      }))
    },
    axes: (context) => {
      const axes = context.axes(0)
      const axis = axisOf(context, axes.length)
      const dim = context.shape(0)?.[axis] ?? null
      const parts = partAxes(context, axes[axis]!, dim)
      const sizes = partSizes(context, dim)
      const source = context.axisElements(0)
      const elements = splitElements(sizes, axes.length, source)
      if (!elements) fixSizes(context, source)
      return parts.map((part, k) => ({
        axes: axes.map((own, j) => (j === axis ? part : own)),
        ...(elements && { elements: elements[k] }),
      }))
    },
    gradient,
    sign: 'inherited',
    reads: { numbers: [1] },
    scaling: 'view',
    execution: { blocked: blockedChannels },
    training: {
      upgrade: ({ node, from, constant }) => {
        if (from >= 18) return node
        const sizes = from < 13 ? intsAttribute(node, 'split') : undefined
        const given = sizes ? constant(int64(sizes)) : from < 13 ? undefined : node.inputs[1]
        const attributes = new Map([...node.attributes].filter(([name]) => name !== 'split'))
        if (given) return { ...node, inputs: [node.inputs[0]!, given], attributes }
        attributes.set('num_outputs', { type: 'int', value: BigInt(node.outputs.length) })
        return { ...node, inputs: [node.inputs[0]!], attributes }
      },
    },
  },
]
