/**
 * Tensors made from sizes and numbers: ConstantOfShape, Range, EyeLike, OneHot.
 * https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html and neighbours
 *
 * Growth. ConstantOfShape holds equal entries, so its axes grow with whatever needs them, and the
 * sizes that are written in its input follow. The others hold positions, which copies of units do
 * not share: what they are made from is fixed. None has a gradient.
 */
import { intAttribute, tensorAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { dtypeFromCode } from '../../tensor/dtype.ts'
import { elementCount } from '../../tensor/tensor.ts'
import { none } from '../contract/answers.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixAll, fixedOutput, outputShape } from '../helpers/axes-rules.ts'
import { fixSizes, isWholeSize } from '../helpers/axis-elements.ts'
import { constantElements, isStatic, MAX_ELEMENTS, unknownShape } from '../helpers/elements.ts'
import { axisPosition } from '../helpers/shapes.ts'

/** The number of values in a Range, and the values themselves if there are few. */
function rangeOf(context: InferContext): { size: Dim; elements?: readonly number[] } {
  const [start, limit, delta] = [0, 1, 2].map((i) => context.elements(i)?.[0])
  if (typeof start !== 'number' || typeof delta !== 'number' || delta === 0) return { size: null }
  if (typeof limit !== 'number')
    return { size: start === 0 && delta === 1 ? (limit ?? null) : null }
  const size = Math.max(0, Math.ceil((limit - start) / delta))
  return size > MAX_ELEMENTS
    ? { size }
    : { size, elements: Array.from({ length: size }, (_, k) => start + k * delta) }
}

export const generators: readonly Operator[] = [
  {
    name: 'ConstantOfShape',
    infer: (context) => {
      const value = tensorAttribute(context.node, 'value')
      const dtype = value?.dtype ?? 'float32'
      const length = context.shape(0)?.[0]
      const shape =
        context.elements(0) ?? (typeof length === 'number' ? unknownShape(length) : undefined)
      const count = isStatic(shape) ? elementCount(shape) : undefined
      const [number] = value ? (constantElements(value) ?? []) : [0]
      return count !== undefined && count <= MAX_ELEMENTS && number !== undefined
        ? [{ dtype, shape, elements: Array(count).fill(number) }]
        : [{ dtype, shape }]
    },
    axes: (context) => {
      const target = context.axisElements(0)
      const axes = outputShape(context).map((size, k) => {
        const element = target?.[k]
        if (isWholeSize(element)) return element.axis
        const axis = context.unit(size, 'equal entries')
        context.sizeElement(0, k, axis)
        return axis
      })
      const elements = context
        .output(0)
        .elements?.map((value) => ({ kind: 'value', value: Number(value) }) as const)
      // As many values as today: only where no size can grow.
      const steady = target?.every((element) => element.kind === 'value') ?? false
      return [elements && steady ? { axes, elements } : { axes }]
    },
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
    reads: { numbers: [0] },
  },
  {
    name: 'Range',
    infer: (context) => {
      const { size, elements } = rangeOf(context)
      return [{ dtype: context.dtype(0), shape: [size], ...(elements && { elements }) }]
    },
    axes: (context) => {
      for (const i of [0, 1, 2]) fixSizes(context, context.axisElements(i), 'counts up to its size')
      return [{ axes: fixedOutput(context, 'counts up to its size') }]
    },
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
    reads: { numbers: [0, 1, 2] },
  },
  {
    name: 'EyeLike',
    infer: (context) => {
      const code = intAttribute(context.node, 'dtype', undefined)
      const dtype = code === undefined ? context.dtype(0) : dtypeFromCode(code)
      return [{ dtype, shape: context.shape(0) }]
    },
    axes: (context) => {
      fixAll(context, context.axes(0), 'makes a diagonal of its size')
      return [{ axes: context.axes(0) }]
    },
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
  },
  {
    name: 'OneHot',
    infer: (context) => {
      const indices = context.shape(0)
      const dtype = context.dtype(2)
      if (!indices) return [{ dtype }]
      const axis = axisPosition(intAttribute(context.node, 'axis', -1), indices.length + 1)
      const depth = context.elements(1)?.[0] ?? null
      return [{ dtype, shape: [...indices.slice(0, axis), depth, ...indices.slice(axis)] }]
    },
    axes: (context) => {
      const indices = context.axes(0)
      fixSizes(context, context.axisElements(1), 'makes so many classes')
      const axis = axisPosition(intAttribute(context.node, 'axis', -1), indices.length + 1)
      const depth = context.fixed(outputShape(context)[axis]!, 'makes one entry per class')
      return [{ axes: [...indices.slice(0, axis), depth, ...indices.slice(axis)] }]
    },
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
    reads: { numbers: [1, 2] },
  },
]
