/**
 * ScatterElements, ScatterND and the old Scatter: x with updates written, or added, at indices.
 * https://onnx.ai/onnx/operators/onnx__ScatterElements.html, onnx__ScatterND.html
 *
 * Growth: axes that are addressed by index are fixed; the axes behind the index of ScatterND are
 * the same in x and the updates. ScatterElements goes along its other axes in step, where all three tensors have the same size: the sums over
 * the edges of graphs are of this kind, with indices that are repeated for each unit.
 *
 * Gradients without reduction: g for x, with zeros where it was overwritten; for the updates, g
 * read at the indices (which must not repeat: the standard leaves open which update wins). With
 * `add`, x takes g whole. With `max` and `min`, all that are equal to the result share g alike, as in PyTorch.
 * With `mul`, each factor takes g times the product of the others, which is computed without zeros and with their
 * number, so that it is exact where factors are zero.
 *
 * Training. ScatterND with a reduction is computed as ScatterElements: see scatter-back.ts.
 */
import { intAttribute, stringAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { TrainingRule } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixAll } from '../helpers/axes-rules.ts'
import { copyTo } from '../helpers/emission.ts'
import { castLike, formula } from '../helpers/formula.ts'
import { indexDepth } from '../helpers/indexing.ts'
import {
  addAt,
  addAtPositions,
  positionsOf,
  type Reduction,
  zerosLike,
} from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

const infer: InferRule = (context) => [{ dtype: context.dtype(0), shape: context.shape(0) }]

const BY_INDEX = 'writes entries of it by index'

const reductionOf = (node: Node): Reduction | 'none' =>
  stringAttribute(node, 'reduction', 'none') as Reduction | 'none'

const attributesOf = (node: Node, names: readonly string[]) =>
  Object.fromEntries([...node.attributes].filter(([name]) => names.includes(name)))

/** How a value is read, and added to, at the indices of a node. */
interface AtIndices {
  gather(data: string): string
  scatter(data: string, updates: string, reduction: Reduction): string
}

function atIndices(context: GradientContext): AtIndices {
  const [data, indices] = [context.input(0), context.input(1)]
  if (context.node.opType === 'ScatterND') {
    const gather = (value: string) => context.op('GatherND', [value, indices])
    return {
      gather,
      scatter: (value, updates, reduction) =>
        addAtPositions(context, value, gather(positionsOf(context, data)), updates, reduction),
    }
  }
  const axis = intAttribute(context.node, 'axis', 0)
  return {
    gather: (value) => context.op('GatherElements', [value, indices], { axis }),
    scatter: (value, updates, reduction) =>
      addAt(context, value, indices, updates, axis, reduction),
  }
}

const gradient: GradientRule = (context) => {
  const g = context.outputGradient(0)
  if (g === undefined) return []
  const reduction = reductionOf(context.node)
  const { gather, scatter } = atIndices(context)
  const both = (x: () => string, updates: () => string) => [
    context.needs(0) ? x() : undefined,
    undefined,
    context.needs(2) ? updates() : undefined,
  ]
  const [x, u] = [context.input(0), context.input(2)]
  const f = formula(context, g)
  const one = (condition: string) => castLike(context, condition, g)
  if (reduction === 'add')
    return both(
      () => g,
      () => gather(g),
    )
  if (reduction === 'none') {
    const overwritten = () =>
      context.op(
        context.node.opType,
        [g, context.input(1), zerosLike(context, u)],
        attributesOf(context.node, ['axis']),
      )
    return both(overwritten, () => gather(g))
  }
  if (reduction === 'mul') {
    const isZero = f.equal(u, 0)
    const factors = f.where(isZero, 1, u)
    const ones = f.add(zerosLike(context, x), 1)
    const product = scatter(ones, factors, 'mul')
    const zeros = scatter(zerosLike(context, x), one(isZero), 'add')
    const others = f.equal(f.sub(gather(zeros), one(isZero)), 0)
    return both(
      () => f.where(f.equal(zeros, 0), f.mul(g, product), 0),
      () => f.where(others, f.div(f.mul(gather(f.mul(g, x)), gather(product)), factors), 0),
    )
  }
  const y = context.output(0)
  const [isX, isUpdate] = [one(f.equal(x, y)), one(f.equal(u, gather(y)))]
  const each = f.div(g, scatter(isX, isUpdate, 'add'))
  return both(
    () => f.mul(isX, each),
    () => f.mul(isUpdate, gather(each)),
  )
}

const byElement: AxesRule = (context) => {
  const [data, indices, updates] = [0, 1, 2].map((i) => context.axes(i))
  const axis = axisPosition(intAttribute(context.node, 'axis', 0), data!.length)
  const isAlike = (k: number) => {
    const [size, ...others] = [0, 1, 2].map((i) => context.shape(i)?.[k] ?? null)
    return k !== axis && size !== null && others.every((other) => other === size)
  }
  return [
    {
      axes: data!.map((own, k) => {
        const all = [own, indices![k]!, updates![k]!]
        if (isAlike(k)) return all.reduce((a, b) => context.unify(a, b))
        fixAll(context, all, BY_INDEX)
        return own
      }),
    },
  ]
}

const withoutRace: TrainingRule = (context) => {
  const { node } = context
  const reduction = reductionOf(node)
  if (reduction === 'none') return undefined
  const [data, indices, updates] = [0, 1, 2].map((i) => context.input(i))
  const positions = context.op('GatherND', [positionsOf(context, data!), indices!])
  const sums = addAtPositions(context, data!, positions, updates!, reduction)
  return { nodes: [copyTo(node.outputs[0]!, sums)] }
}

const scatterElements: Operator = {
  name: 'ScatterElements',
  infer,
  axes: byElement,
  gradient,
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
    gradient,
    scaling: 'none',
    sign: 'unknown',
    training: { operand: 'entries', inTraining: withoutRace },
  },
]
