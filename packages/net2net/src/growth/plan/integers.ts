/** The part of a plan that is about sizes that a model writes down, in constants and attributes. */
import { refusedError } from '../../errors.ts'
import type { Node } from '../../model/model.ts'
import { describeNode, type NameSupply, nodeKey, nodeLabel } from '../../model/names.ts'
import type { IntegerChange } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'
import type { Projection } from './project.ts'
import { useKey, variantsOf } from './variants.ts'

export const integerChanges = (
  solution: Solution,
  projection: Projection,
  names: NameSupply,
): readonly IntegerChange[] => [
  ...elementChanges(solution, projection, names),
  ...attributeChanges(solution, projection),
]

interface Element {
  readonly from: number
  readonly to: number
  /** The node that takes it for the size of an axis. */
  readonly node: Node
}

function elementChanges(
  solution: Solution,
  projection: Projection,
  names: NameSupply,
): IntegerChange[] {
  /** By constant, then by use, then by position. */
  const byName = new Map<string, Map<string, Map<number, Element>>>()
  for (const { origin, value, axis, node } of solution.relations.sizes) {
    const to = projection.sizeAfter(axis, value)
    const byUse = byName.get(origin.name) ?? new Map<string, Map<number, Element>>()
    byName.set(origin.name, byUse)
    const key = origin.use ? `${origin.use.input}:${origin.use.node}` : useKey(node, -1)
    const elements = byUse.get(key) ?? new Map<number, Element>()
    byUse.set(key, elements)
    const other = elements.get(origin.index)
    if (other && other.to !== to)
      throw refusedError(
        `Element ${origin.index} of "${origin.name}" is a size for both ${nodeLabel(other.node)} and ${nodeLabel(node)}, which now differ.`,
        { where: origin.name },
      )
    elements.set(origin.index, { from: value, to, node })
  }
  return [...byName].flatMap(([name, byUse]) => {
    const needs = new Map<string, readonly { index: number; from: number; to: number }[]>()
    for (const [key, elements] of byUse) {
      const edits = [...elements].flatMap(([index, { from, to }]) =>
        from === to ? [] : [{ index, from, to }],
      )
      if (edits.length > 0) needs.set(key, edits)
    }
    return variantsOf(solution, name, needs).flatMap(({ need, uses }) => {
      const clone = uses && { clone: names.fresh(`${name}_grown`), uses }
      return need.map((edit): IntegerChange => ({ constant: name, ...edit, ...clone }))
    })
  })
}

function attributeChanges({ relations }: Solution, projection: Projection): IntegerChange[] {
  const changes = new Map<string, IntegerChange>()
  for (const { node, attribute, index, axis, value } of relations.attributes) {
    const to = projection.sizeAfter(axis, value)
    const key = JSON.stringify([nodeKey(node), attribute, index ?? null])
    const other = changes.get(key)
    if (other && other.to !== to)
      throw refusedError(
        `Attribute ${attribute} of ${describeNode(node)} would need two different values.`,
        { where: describeNode(node) },
      )
    changes.set(key, {
      node: nodeKey(node),
      attribute,
      ...(index !== undefined && { index }),
      from: value,
      to,
    })
  }
  return [...changes.values()].filter(({ from, to }) => from !== to)
}
