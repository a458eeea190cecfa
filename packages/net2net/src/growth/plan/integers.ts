/** The part of a plan that is about sizes that a model writes down, in constants and attributes. */
import { refusedError } from '../../errors.ts'
import type { Node } from '../../model/model.ts'
import { describeNode, nodeLabel } from '../../model/names.ts'
import type { AttributeChange, SizeChange } from '../growth-plan.ts'
import { nodeKey } from '../solve/rule-context.ts'
import { axisMapOf } from './project.ts'
import { newSize, type Planning, partition, useKey } from './variants.ts'

export function planSizes(context: Planning): SizeChange[] {
  const { sizes, model, algebra } = context.solution
  const byName = new Map<
    string,
    Map<string, Map<number, { from: number; to: number; node: Node }>>
  >()
  for (const { origin, value, axis, node } of sizes) {
    const map = axisMapOf(algebra, axis, value, context.ids)
    const to = map ? newSize(context, map) : value
    const use = origin.use ?? { node: nodeKey(node), input: -1 }
    const key = useKey(use.node, use.input)
    const uses = byName.get(origin.name) ?? new Map()
    byName.set(origin.name, uses)
    const elements = uses.get(key) ?? new Map()
    uses.set(key, elements)
    const other = elements.get(origin.index)
    if (other && other.to !== to)
      throw refusedError(
        `Element ${origin.index} of "${origin.name}" is a size for both ${nodeLabel(other.node)} and ${nodeLabel(node)}, which now differ.`,
        { where: origin.name },
      )
    elements.set(origin.index, { from: value, to, node })
  }
  const outputs = new Set(model.graph.outputs.map((output) => output.name))
  const changes: SizeChange[] = []
  for (const [name, uses] of byName) {
    const needs = new Map<string, { index: number; from: number; to: number }[]>()
    for (const [key, elements] of uses) {
      const edits = [...elements].flatMap(([index, { from, to }]) =>
        from === to ? [] : [{ index, from, to }],
      )
      if (edits.length > 0) needs.set(key, edits)
    }
    if (needs.size === 0) continue
    const { shared, variants } = partition(context.solution, name, outputs.has(name), needs)
    variants.forEach(({ need, uses: rewired }, i) => {
      const clone = shared || i > 0 ? context.names.fresh(`${name}_grown`) : undefined
      for (const edit of need)
        changes.push({ constant: name, ...edit, ...(clone && { clone, uses: rewired }) })
    })
  }
  return changes
}

export function planAttributes(context: Planning): AttributeChange[] {
  const { attributes, algebra } = context.solution
  const changes = new Map<string, AttributeChange>()
  for (const { node, attribute, index, axis, value } of attributes) {
    const map = axisMapOf(algebra, axis, value, context.ids)
    if (!map) continue
    const to = newSize(context, map)
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
  return [...changes.values()]
}
