/** What differs between two models, as a list: of the whole, structure, shapes, attributes, numbers. */
import type { Model } from 'net2net'
import { constantsOf } from 'net2net/model'
import { type LazyTensor, materialize, toNumbers } from 'net2net/tensor'
import type { Diff, NodeDiff } from './diff.ts'
import type { Change } from './protocol.ts'
import type { ModelView, NodeView, ParameterView } from './view.ts'

interface Side {
  readonly model: Model
  readonly view: ModelView
}

export function changesOf(diff: Diff, before: Side, after: Side): readonly Change[] {
  const constants = [constantsOf(before.model), constantsOf(after.model)] as const
  return [
    ...ofWholes(before.view, after.view),
    ...diff.nodes.flatMap((node) => ofNode(node, constants)),
  ]
}

function ofWholes(before: ModelView, after: ModelView): readonly Change[] {
  const facts = (view: ModelView): readonly (readonly [string, string])[] => [
    ['opset', String(view.opset)],
    ['parameters', String(view.parameters)],
    ...view.inputs.map(
      ({ name, shape, dtype }) => [`input ${name}`, `${dtype}[${shape}]`] as const,
    ),
    ...view.outputs.map(
      ({ name, shape, dtype }) => [`output ${name}`, `${dtype}[${shape}]`] as const,
    ),
  ]
  return differing(facts(before), facts(after)).map((change) => ({ kind: 'model', ...change }))
}

function differing(
  before: readonly (readonly [string, string])[],
  after: readonly (readonly [string, string])[],
) {
  const [a, b] = [new Map(before), new Map(after)]
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => {
    const [x = '–', y = '–'] = [a.get(name), b.get(name)]
    return x === y ? [] : [{ name, before: x, after: y }]
  })
}

type Constants = ReadonlyMap<string, LazyTensor>

function ofNode(node: NodeDiff, constants: readonly [Constants, Constants]): readonly Change[] {
  const { key, before, after, status } = node
  const label = (view: NodeView) => `${view.op} ${view.name || view.id}`
  if (!before && !after)
    return status === 'same'
      ? []
      : [
          {
            kind: 'structure',
            key,
            name: node.op,
            before: status === 'inserted' ? '–' : node.op,
            after: status === 'removed' ? '–' : node.op,
          },
        ]
  if (!before || !after)
    return [
      {
        kind: 'structure',
        key,
        name: label((after ?? before)!),
        before: before ? label(before) : '–',
        after: after ? label(after) : '–',
      },
    ]
  const name = label(after)
  const renamed: readonly Change[] =
    before.name === after.name
      ? []
      : [{ kind: 'structure', key, name, before: label(before), after: label(after) }]
  return [
    ...renamed,
    ...differing(before.attributes, after.attributes).map(
      (change): Change => ({ kind: 'attribute', key, ...change, name: `${name}: ${change.name}` }),
    ),
    ...node.parameters.flatMap((parameter): readonly Change[] => {
      const [a, b] = [parameter.before, parameter.after]
      const what = `${name}: ${parameter.label}`
      if (!a || !b)
        return [
          {
            kind: 'structure',
            key,
            name: what,
            before: a ? shapeOf(a) : '–',
            after: b ? shapeOf(b) : '–',
          },
        ]
      if (shapeOf(a) !== shapeOf(b))
        return [{ kind: 'shape', key, name: what, before: shapeOf(a), after: shapeOf(b) }]
      if (!parameter.valuesDiffer) return []
      const found = numbersOf(constants[0].get(a.name), constants[1].get(b.name))
      return [{ kind: 'numbers', key, name: what, before: shapeOf(a), after: shapeOf(b), ...found }]
    }),
  ]
}

const shapeOf = ({ dtype, dims }: ParameterView): string => `${dtype}[${dims.join('×')}]`

/** undefined where the numbers cannot be read. */
function numbersOf(before: LazyTensor | undefined, after: LazyTensor | undefined) {
  if (!before || !after) return {}
  const [a, b] = [toNumbers(materialize(before)), toNumbers(materialize(after))]
  let [maxAbs, count] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    if (difference !== 0) count++
    if (difference > maxAbs) maxAbs = difference
  }
  return { maxAbs, differing: count, count: a.length }
}
