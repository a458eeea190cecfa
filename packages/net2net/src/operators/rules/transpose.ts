/**
 * Transpose: y[i_perm(0), i_perm(1), …] = x[i₀, i₁, …].
 * https://onnx.ai/onnx/operators/onnx__Transpose.html
 *
 * Growth: the elements only move, and axis k of y is axis perm[k] of x, with the same copies. Gradient: the inverse permutation.
 */
import { inputError } from '../../errors.ts'
import { intsAttribute } from '../../model/attributes.ts'
import type { Node, Shape } from '../../model/model.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { FastKernelsRule } from '../contract/facets.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { gridPositions, isStatic, moveElements } from '../helpers/elements.ts'
import { knownShape, range, transpose } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'

/** Axis perm[k] of the input becomes axis k; by default the order is reversed. */
function permutationOf(node: Node, rank: number): readonly number[] {
  const perm = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, k) => rank - 1 - k)
  const isPermutation =
    perm.length === rank && new Set(perm).size === rank && perm.every((k) => k >= 0 && k < rank)
  if (!isPermutation) throw inputError(`perm [${perm}] is not a permutation of ${rank} axes.`)
  return perm
}

/** Where the elements of a small tensor of known shape come from. */
const positions = (perm: readonly number[], shape: Shape | undefined) =>
  isStatic(shape)
    ? gridPositions(
        perm.map((k) => ({
          start: 0,
          step: 1,
          length: shape[k]!,
          stride: elementCount(shape.slice(k + 1)),
        })),
      )
    : undefined

/** A product of matrices whose axes are exchanged is that of its factors the other way round: nothing is copied. */
const fastKernels: FastKernelsRule = (context) => {
  const { dtype, shape = [] } = context.info(context.input(0))
  const [product, rank] = [context.producer(0), shape.length]
  const isProduct = product?.opType === 'MatMul' && product.domain === '' && context.isReadOnce(0)
  if (!isProduct || dtype !== 'float32' || rank < 3) return undefined
  const samples = range(rank - 2)
  const perm = permutationOf(context.node, rank)
  if (String(perm) !== String([...samples, rank - 1, rank - 2])) return undefined
  const [a = '', b = ''] = product.inputs
  // A factor that all samples share is multiplied by all of them at once, as it stands.
  if ([a, b].some((factor) => context.info(factor).shape?.length !== rank)) return undefined
  const infos = [{ dtype, shape: perm.map((axis) => shape[axis]!) }]
  const options = { domain: 'com.microsoft', infos }
  return context.emit('FusedMatMul', [b, a], { transA: 1, transB: 1 }, options)
}

export const transposition: readonly Operator[] = [
  {
    name: 'Transpose',
    infer: (context) => {
      const shape = context.shape(0)
      const dtype = context.dtype(0)
      if (shape) {
        const perm = permutationOf(context.node, shape.length)
        const elements = moveElements(context.elements(0), () => positions(perm, shape))
        return [{ dtype, shape: perm.map((k) => shape[k]!), ...(elements && { elements }) }]
      }
      const perm = intsAttribute(context.node, 'perm')
      return [{ dtype, shape: perm?.map(() => null) }]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const perm = permutationOf(context.node, axes.length)
      const found = context.axisElements(0)
      const elements = moveElements(found, () => positions(perm, context.shape(0)))
      if (!elements) fixSizes(context, found)
      const moved = perm.map((k) => axes[k]!)
      return [elements ? { axes: moved, elements } : { axes: moved }]
    },
    gradient: gradientOf((context) => {
      const rank = knownShape(context, context.input(0)).length
      const perm = permutationOf(context.node, rank)
      return transpose(
        context,
        context.g,
        perm.map((_, k) => perm.indexOf(k)),
      )
    }),
    sign: 'inherited',
    scaling: 'view',
    execution: { fastKernels },
  },
]
