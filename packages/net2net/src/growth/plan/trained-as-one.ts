/**
 * Finds the axis variables that grow alike. A module that is called more than once has other variables in each call, and the same
 * weights. Where these variables grow to the same size, they grow alike, so that the weights stay one tensor and train as one.
 */
import { nodeKey } from '../../model/names.ts'
import { separateConstants } from '../../operators/shared-constants.ts'
import { isFloat } from '../../tensor/dtype.ts'
import type { Reading } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'

/**
 * For each variable that grows the one that it grows like, which may be itself.
 *
 * @param sizes The size that each variable gets.
 * @param kindOf Variables of different kinds grow in different ways.
 */
export function grownAlike(
  solution: Solution,
  sizes: ReadonlyMap<number, number>,
  kindOf: (variable: number) => string,
): (variable: number) => number {
  const likes = new Map<number, number>()
  const likeOf = (variable: number): number => {
    const like = likes.get(variable)
    return like === undefined ? variable : likeOf(like)
  }
  for (const [first, ...others] of sharedReadings(solution, sizes))
    for (const other of others)
      for (const [a, b] of correspondingVariables(solution, first!, other)) {
        const [one, another] = [likeOf(a), likeOf(b)]
        if (one === another || !sizes.has(one) || sizes.get(one) !== sizes.get(another)) continue
        if (kindOf(one) === kindOf(another)) likes.set(another, one)
      }
  return likeOf
}

/** Readings of one parameter by several nodes, where some of its axes grow. */
function sharedReadings(
  { model, axes, relations }: Solution,
  sizes: ReadonlyMap<number, number>,
): readonly (readonly Reading[])[] {
  const byName = new Map<string, Reading[]>()
  for (const [reading, found] of relations.readings) {
    const grows = found.axes.some((axis) => axes.leaves(axis).some((leaf) => sizes.has(leaf)))
    if (!grows || !isFloat(reading.tensor.dtype)) continue
    const known = byName.get(reading.name)
    if (known) known.push(reading)
    else byName.set(reading.name, [reading])
  }
  const shared = [...byName.values()].filter((readings) => readings.length > 1)
  if (shared.length === 0) return []
  // What an exporter has merged is read together, and trains apart.
  const apart = new Map(
    separateConstants(model).graph.nodes.map((node) => [nodeKey(node), node.inputs]),
  )
  return shared.flatMap((readings) => {
    const parameters = new Map<string | undefined, Reading[]>()
    for (const reading of readings) {
      const name = apart.get(nodeKey(reading.node))?.[reading.input]
      parameters.set(name, [...(parameters.get(name) ?? []), reading])
    }
    parameters.delete(undefined)
    return [...parameters.values()]
  })
}

/** Pairs of variables that stand at the same places of a parameter's axes, as two nodes read it. */
function correspondingVariables(
  { axes, relations }: Solution,
  a: Reading,
  b: Reading,
): readonly (readonly [number, number])[] {
  const [ofA, ofB] = [relations.readings.get(a)!, relations.readings.get(b)!]
  return ofA.axes.flatMap((axis, k) => {
    const other = ofB.axes[k]
    if (!other) return []
    const [ours, theirs] = [axes.leaves(axis), axes.leaves(other)]
    return ours.length === theirs.length ? ours.map((leaf, i) => [leaf, theirs[i]!] as const) : []
  })
}
