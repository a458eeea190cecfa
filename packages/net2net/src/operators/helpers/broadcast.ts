/**
 * Multidirectional (numpy) broadcasting: shapes, axes and gradients.
 *
 * Shapes are aligned at their last axes; an axis of size one, or one that is missing, is repeated
 * to the size of the others. For growth this means: equal sizes are one and the same axis, and a
 * size-one axis against a larger one is repeated over whatever that grows to; it never grows itself.
 */
import { inputError } from '../../errors.ts'
import { intAttribute } from '../../model/attributes.ts'
import type { Dim, Node, Shape } from '../../model/model.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { int64, scalar } from '../../tensor/tensor.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import { type Axis, isOne, one } from '../contract/axis.ts'
import { type Emitter, type GradientContext, isCpu } from '../contract/gradient.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import { joinAxisElements } from './axis-elements.ts'
import { shown } from './dims.ts'
import { type ElementOperation, joinDims, zipElements } from './elements.ts'
import { ints, range, reduce } from './emission.ts'

/** The size of an axis after broadcasting; undefined where the sizes contradict each other. */
export function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === 1) return b
  if (b === 1 || a === b) return a
  if (typeof a === 'number') return typeof b === 'number' ? undefined : a
  return typeof b === 'number' ? b : null
}

/** The broadcast shape of several shapes; undefined where a rank is unknown. */
export function broadcastShape(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  if (shapes.some((shape) => shape === undefined)) return undefined
  const known = shapes as readonly Shape[]
  const rank = Math.max(0, ...known.map((shape) => shape.length))
  return Array.from({ length: rank }, (_, k) => {
    let dim: Dim = 1
    for (const shape of known) {
      const own = dimAt(shape, k, rank)
      const joined = broadcastDim(dim, own)
      if (joined === undefined)
        throw inputError(
          `Shapes ${known.map((s) => `[${shown(s)}]`).join(' and ')} cannot be broadcast together.`,
        )
      dim = joined
    }
    return dim
  })
}

/** Dimension k of `rank`, with missing leading dimensions as 1. */
const dimAt = (shape: Shape, k: number, rank: number): Dim => {
  const at = k - (rank - shape.length)
  return at < 0 ? 1 : shape[at]!
}

/** The axes of the broadcast result of the given inputs. */
export function broadcastAxes(context: AxesContext, inputs: readonly number[]): readonly Axis[] {
  const operands = inputs.map((i) => ({
    axes: context.axes(i),
    shape: context.shape(i) ?? [],
    parameter: context.isParameter(i),
  }))
  const rank = Math.max(0, ...operands.map((operand) => operand.axes.length))
  return Array.from({ length: rank }, (_, k) => {
    const here = operands.flatMap(({ axes, shape, parameter }) => {
      const at = k - (rank - axes.length)
      return at < 0 ? [] : [{ axis: axes[at]!, dim: shape[at] ?? null, parameter }]
    })
    return broadcastAxis(context, here)
  })
}

/** Why an axis of size one stays. */
export const REPEATED = 'repeats this axis of size one over a larger axis'

function broadcastAxis(
  context: AxesContext,
  operands: readonly { axis: Axis; dim: Dim; parameter: boolean }[],
): Axis {
  const wide = operands.filter(({ dim }) => dim !== 1)
  if (wide.length === 0) {
    // What a reduction left at size one is repeated over whatever the others grow to.
    const growing = operands.filter(({ axis }) => !isOne(axis))
    const activations = growing.filter(({ parameter }) => !parameter)
    const joined = activations.length > 0 ? activations : growing
    for (const operand of growing)
      if (!joined.includes(operand)) context.fix(operand.axis, REPEATED)
    return unify(context, joined) ?? one
  }
  for (const { axis, dim } of operands) if (dim === 1) context.fix(axis, REPEATED)
  if (wide.some(({ dim }) => dim !== wide[0]!.dim || dim === null) && wide.length > 1)
    for (const { axis } of wide) context.fix(axis, 'joins it with an axis whose size is not known')
  const known = wide.filter(({ dim }) => typeof dim === 'number')
  return unify(context, known.length > 0 ? known : wide) ?? one
}

function unify(context: AxesContext, operands: readonly { axis: Axis }[]): Axis | undefined {
  const [first, ...rest] = operands
  return first && rest.reduce((axis, operand) => context.unify(axis, operand.axis), first.axis)
}

/**
 * Reduces a gradient of the shape of the broadcast value `from` to the shape of its operand `to`,
 * by summing over the axes along which `to` was repeated. Where the shapes are known this is one
 * ReduceSum at most; otherwise the axes are found when the graph runs. `others` names the other
 * operands: an axis on which these have size one cannot have repeated `to`.
 */
export function sumTo(
  emitter: Emitter,
  gradient: string,
  from: string,
  to: string,
  others: readonly string[] = [],
): string {
  const source = emitter.info(from).shape
  const target = emitter.info(to).shape
  if (source === undefined || target === undefined) return sumToAtRuntime(emitter, gradient, to)
  const rank = source.length
  const missing = rank - target.length
  const rivals = others.map((name) => emitter.info(name).shape)
  const kept: number[] = []
  for (let k = missing; k < rank; k++) {
    const own = target[k - missing]!
    if (own === source[k] && own !== null) continue
    if (own === 1) kept.push(k)
    else if (typeof own !== 'number' && source[k] !== 1) {
      const repeatable = rivals.some((shape) => shape === undefined || dimAt(shape, k, rank) !== 1)
      if (rivals.length === 0 || repeatable) return sumToAtRuntime(emitter, gradient, to)
    }
  }
  const leading = Array.from({ length: missing }, (_, k) => k)
  if (kept.length === 0) return reduce(emitter, 'Sum', gradient, leading, false)
  const summed = sumOver(emitter, gradient, [...leading, ...kept], rank)
  return missing === 0 ? summed : emitter.op('Squeeze', [summed, ints(emitter, leading)])
}

/** Sums over the axes, which stay; on a processor first over those at the end, as normalizations do too (channelwiseGradient). */
function sumOver(emitter: Emitter, value: string, axes: readonly number[], rank: number): string {
  const summed = new Set(axes)
  const isAtEnd = (axis: number) => range(rank, axis).every((k) => summed.has(k))
  if (!isCpu(emitter.target)) return reduce(emitter, 'Sum', value, axes, true)
  const each = reduce(emitter, 'Sum', value, axes.filter(isAtEnd), true)
  return reduce(
    emitter,
    'Sum',
    each,
    axes.filter((axis) => !isAtEnd(axis)),
    true,
  )
}

/** The same with shapes that only the run knows. */
function sumToAtRuntime(emitter: Emitter, gradient: string, to: string): string {
  const target = emitter.op('Shape', [to])
  const rankOf = (name: string) => emitter.op('Shape', [emitter.op('Shape', [name])])
  const missing = emitter.op('Sub', [rankOf(gradient), emitter.op('Shape', [target])])
  const padded = emitter.op(
    'Concat',
    [emitter.op('ConstantOfShape', [missing], { value: int64([1]) }), target],
    { axis: 0 },
  )
  const single = emitter.op('Equal', [padded, emitter.constant(scalar('int64', 1))])
  const axes = emitter.op('Squeeze', [emitter.op('NonZero', [single]), ints(emitter, [0])])
  const summed = emitter.op('ReduceSum', [gradient, axes], {
    keepdims: 1,
    noop_with_empty_axes: 1,
  })
  return emitter.op('Reshape', [summed, target])
}

/** Reduces a gradient of output 0 to the shape of input i of a broadcasting node. */
export const sumToInput = (context: GradientContext, i: number, gradient: string): string =>
  sumTo(
    context,
    gradient,
    context.output(0),
    context.input(i),
    context.node.inputs.filter((name, k) => k !== i && name !== ''),
  )

const positions = (context: { readonly node: { readonly inputs: readonly string[] } }) =>
  context.node.inputs.map((_, i) => i)

/** Before opset 7, `broadcast` aligned the second operand at `axis`; the first gives the shape. */
const isLegacyBroadcast = (context: Pick<AxesContext, 'node' | 'opset'>) =>
  context.opset < 7 && intAttribute(context.node, 'broadcast', 0) === 1

/** What an operator makes of two elements, or how it follows from the node's attributes. */
export type ElementRule = ElementOperation | ((node: Node) => ElementOperation)

const elementOf = (rule: ElementRule | undefined, node: Node): ElementOperation | undefined =>
  typeof rule === 'function' ? rule(node) : rule

export const inferBroadcast =
  (rule?: ElementRule, bool = false): InferRule =>
  (context) => {
    const element = elementOf(rule, context.node)
    const inputs = positions(context)
    if (inputs.length === 0) throw inputError(`${context.node.opType} needs an input.`)
    const dtype = bool
      ? 'bool'
      : inputs.map((i) => context.dtype(i)).find((found) => found !== undefined)
    const shape = isLegacyBroadcast(context)
      ? context.shape(0)
      : broadcastShape(inputs.map((i) => context.shape(i)))
    const first = element && inputs.length === 2 ? context.elements(0) : undefined
    const elements =
      first &&
      zipElements(
        first,
        context.elements(1),
        [context.shape(0)?.length, context.shape(1)?.length],
        (a, b) => joinDims(inTypeOf(context, element!), a, b),
      )
    return [elements ? { dtype, shape, elements } : { dtype, shape }]
  }

/** The arithmetic of the operands' type: integer division truncates, float32 rounds. */
function inTypeOf(context: InferContext, element: ElementOperation): ElementOperation {
  const dtype = context.dtype(0)
  if (dtype === undefined || dtype === 'float64') return element
  // Integers have one zero.
  const round = isFloat(dtype) ? Math.fround : (value: number) => Math.trunc(value) + 0
  return { ...element, numbers: (a, b) => round(element.numbers(a, b)) }
}

export const broadcastRule =
  (rule?: ElementRule): AxesRule =>
  (context) => {
    const element = elementOf(rule, context.node)
    if (isLegacyBroadcast(context)) context.refuse('broadcasts by the rules from before opset 7')
    const axes = broadcastAxes(context, positions(context))
    const first = element && context.node.inputs.length === 2 ? context.axisElements(0) : undefined
    const exact = element && inTypeOf(context, element)
    const elements =
      first &&
      zipElements(
        first,
        context.axisElements(1),
        [context.shape(0)?.length, context.shape(1)?.length],
        (a, b, positions) => joinAxisElements(context, exact!, [a, b], positions),
      )
    return [elements ? { axes, elements } : { axes }]
  }
