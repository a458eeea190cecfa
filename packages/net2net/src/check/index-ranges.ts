/** How far the integers that a model takes may go: ids look up entries of tables of some size. */
import { linksOf } from '../model/links.ts'
import { type Model, requiredInputs } from '../model/model.ts'
import { operatorOf } from '../operators/table.ts'
import { valuesOf } from './side.ts'

/**
 * For every input whose elements are positions along an axis of a known size: that size (the smallest, where
 * there are several). Follows the input through views and casts.
 */
export function indexRanges(model: Model): ReadonlyMap<string, number> {
  const values = valuesOf(model)
  const { uses } = linksOf(model.graph)
  const ranges = new Map<string, number>()
  for (const { name } of requiredInputs(model.graph)) {
    let range = Number.POSITIVE_INFINITY
    const reached = new Set([name])
    for (const value of reached)
      for (const { node, input } of uses.get(value) ?? []) {
        const { scaling, reads } = operatorOf(node) ?? {}
        const isMoved = scaling === 'view' || (typeof scaling === 'object' && scaling.moves)
        if (isMoved && input === 0) for (const output of node.outputs) reached.add(output)
        const positions = reads?.positions
        if (positions?.input !== input) continue
        const shape = values.get(node.inputs[positions.of] ?? '')?.shape
        const size = shape?.[positions.axis(node, shape.length)]
        if (typeof size === 'number') range = Math.min(range, size)
      }
    if (Number.isFinite(range)) ranges.set(name, range)
  }
  return ranges
}
