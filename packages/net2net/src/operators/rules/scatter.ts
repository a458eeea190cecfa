/**
 * ScatterElements, ScatterND and the old Scatter: x with updates written, or added, at indices.
 * https://onnx.ai/onnx/operators/onnx__ScatterElements.html, onnx__ScatterND.html
 *
 * Growth: axes that are addressed by index are fixed; the axes behind the index of ScatterND are
 * the same in x and the updates.
 *
 * Gradients without reduction: g for x, with zeros where it was overwritten; for the updates, g
 * read at the indices (which must not repeat: the standard leaves open which update wins). With
 * `add`, x takes g whole. Products, minima and maxima have no rule.
 *
 * Training. ScatterND with `add` is computed as ScatterElements: see scatter-back.ts.
 */
import { stringAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { TrainingRule } from '../contract/facets.ts'
import type { GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixAll } from '../helpers/axes-rules.ts'
import { cannotDifferentiate, copyTo } from '../helpers/emission.ts'
import { type Backward, gradientOf } from '../helpers/formula.ts'
import { indexDepth } from '../helpers/indexing.ts'
import { addAtPositions, positionsOf, zerosLike } from '../helpers/scatter-back.ts'

const infer: InferRule = (context) => [{ dtype: context.dtype(0), shape: context.shape(0) }]

const BY_INDEX = 'writes entries of it by index'

function overwrites(context: Backward): boolean {
  const reduction = stringAttribute(context.node, 'reduction', 'none')
  if (reduction === 'none') return true
  if (reduction === 'add') return false
  throw cannotDifferentiate(context, `its reduction "${reduction}" has no gradient rule`)
}

const attributesOf = (node: Node, names: readonly string[]) =>
  Object.fromEntries([...node.attributes].filter(([name]) => names.includes(name)))

const gradientWith = (scatter: string, gather: string, names: readonly string[]): GradientRule =>
  gradientOf(
    (context) => {
      if (!overwrites(context)) return context.g
      const [indices, updates] = [context.input(1), context.input(2)]
      return context.op(
        scatter,
        [context.g, indices, zerosLike(context, updates)],
        attributesOf(context.node, names),
      )
    },
    undefined,
    (context) => {
      overwrites(context)
      return context.op(gather, [context.g, context.input(1)], attributesOf(context.node, names))
    },
  )

const byElement: AxesRule = (context) => {
  for (const i of [0, 1, 2]) fixAll(context, context.axes(i), BY_INDEX)
  return [{ axes: context.axes(0) }]
}

const withoutRace: TrainingRule = (context) => {
  const { node } = context
  if (stringAttribute(node, 'reduction', 'none') !== 'add') return undefined
  const [data, indices, updates] = [0, 1, 2].map((i) => context.input(i))
  const positions = context.op('GatherND', [positionsOf(context, data!), indices!])
  const sums = addAtPositions(context, data!, positions, updates!)
  return { nodes: [copyTo(node.outputs[0]!, sums)] }
}

const scatterElements: Operator = {
  name: 'ScatterElements',
  infer,
  axes: byElement,
  gradient: gradientWith('ScatterElements', 'GatherElements', ['axis']),
  scaling: 'none',
  sign: 'unknown',
  training: { operand: 'entries' },
}

export const scatters: readonly Operator[] = [
  scatterElements,
  {
    ...scatterElements,
    name: 'Scatter',
    training: {
      operand: 'entries',
      upgrade: ({ node, from }) => (from < 11 ? { ...node, opType: 'ScatterElements' } : node),
    },
  },
  {
    name: 'ScatterND',
    infer,
    axes: (context) => {
      const [data, indices, updates] = [0, 1, 2].map((i) => context.axes(i))
      const depth = indexDepth(context) ?? context.refuse('writes at indices of unknown depth')
      fixAll(context, data!.slice(0, depth), BY_INDEX)
      fixAll(context, indices!, BY_INDEX)
      const behind = data!.slice(depth)
      return [
        {
          axes: [
            ...data!.slice(0, depth),
            ...behind.map((axis, k) =>
              context.unify(axis, updates![updates!.length - behind.length + k]!),
            ),
          ],
        },
      ]
    },
    gradient: gradientWith('ScatterND', 'GatherND', []),
    scaling: 'none',
    sign: 'unknown',
    training: { operand: 'entries', inTraining: withoutRace },
  },
]
