/**
 * DFT: y[k] = Σ x[j]·e^(−2πi·jk/n) along one axis, or with `inverse` 1/n·Σ x[j]·e^(2πi·jk/n). The last axis holds real
 * and imaginary parts, or real parts alone; with `onesided`, k ends at n/2. Signals are cut or filled with zeros to n.
 * https://onnx.ai/onnx/operators/onnx__DFT.html
 *
 * Growth. Every entry of y reads all of the signal: its axis is fixed, and so are the parts. The others pass.
 *
 * Gradient. The transform is linear, and its adjoint the other one: of δ, filled with zeros to n, n·inverse, or
 * 1/n·forward. Of real signals the real part counts.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { scalar } from '../../tensor/tensor.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { numbers } from '../helpers/elements.ts'
import { cannotDifferentiate, ints, knownShape, knownSizes, slice } from '../helpers/emission.ts'
import { gradientOf, inferView } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { axisPosition, inferredFrom } from '../helpers/shapes.ts'

type Reader = Pick<InferContext, 'node' | 'opset' | 'has' | 'elements'>

/** The axis of the signal: an attribute before operator set 20, and an input since. */
function axisOf(context: Reader, rank: number): number | undefined {
  if (context.opset < 20) return axisPosition(intAttribute(context.node, 'axis', 1), rank)
  if (!context.has(2)) return rank - 2
  const [axis] = context.elements(2) ?? []
  return typeof axis === 'number' ? axisPosition(axis, rank) : undefined
}

/** n: as it is given, or the length of the signal. */
function lengthOf(context: InferContext, axis: number): Dim {
  if (!context.has(1)) return context.shape(0)?.[axis] ?? null
  const [length] = context.elements(1) ?? []
  return length ?? null
}

const isOneSided = ({ node }: Pick<InferContext, 'node'>) => intAttribute(node, 'onesided', 0) === 1
const isInverse = ({ node }: Pick<InferContext, 'node'>) => intAttribute(node, 'inverse', 0) === 1

export const dft: Operator = {
  name: 'DFT',
  infer: (context) => {
    const shape = context.shape(0)
    const axis = shape && axisOf(context, shape.length)
    if (!shape || axis === undefined) return [inferredFrom(context, undefined)]
    const length = lengthOf(context, axis)
    const half = typeof length === 'number' ? Math.floor(length / 2) + 1 : null
    const result = shape.map((dim, k): Dim => {
      if (k === axis) return isOneSided(context) ? half : length
      return k === shape.length - 1 ? 2 : dim
    })
    return [inferredFrom(context, result)]
  },
  axes: (context) => {
    const x = context.axes(0)
    const signal = axisOf(context, x.length) ?? context.refuse('has an axis that is not known')
    const reason = 'transforms along it'
    for (const k of [signal, x.length - 1]) context.fix(x[k]!, reason)
    const y = context.output(0).shape
    return [
      {
        axes: x.map((axis, k) =>
          k === signal || k === x.length - 1 ? context.fixed(y?.[k] ?? null, reason) : axis,
        ),
      },
    ]
  },
  gradient: gradientOf((context) => {
    const { f, g, opset } = context
    const view = inferView(context)
    const x = context.input(0)
    const shape = knownShape(context, x)
    const axis = axisOf(view, shape.length)
    if (axis === undefined) throw cannotDifferentiate(context, 'its axis is not known')
    const [given, parts] = knownSizes(context, [shape[axis]!, shape.at(-1)!], 'its sizes') as [
      number,
      number,
    ]
    const length = context.has(1) ? numbers(view, 1)?.[0] : given
    if (length === undefined) throw cannotDifferentiate(context, 'its length is not known')
    if (isOneSided(context) && isInverse(context))
      throw cannotDifferentiate(context, 'it is one-sided and inverse')
    const to = isInverse(context) ? 0 : 1
    const count = context.constant(scalar('int64', length))
    const other =
      opset < 20
        ? context.op('DFT', [g, count], { axis, inverse: to })
        : context.op('DFT', [g, count, context.constant(scalar('int64', axis))], { inverse: to })
    const scaled = f.mul(other, to === 1 ? length : 1 / length)
    const real = parts === 2 ? scaled : slice(context, scaled, [-1], [0], [1])
    if (length >= given) return slice(context, real, [axis], [0], [given])
    const filled = shape.map((_, k) => (k === axis ? given - length : 0))
    return context.op('Pad', [real, ints(context, [...shape.map(() => 0), ...filled])])
  }),
  scaling: linearIn([0]),
  sign: 'unknown',
  reads: { numbers: [1, 2] },
}
