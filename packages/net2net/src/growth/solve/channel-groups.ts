/** Channel groups: which units are free, why the others are not, and which layers share them. */
import { describeNode } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { FreezeSource } from './axis-system.ts'
import type { Layer, Solution } from './relate.ts'
import { type Shares, shareOut } from './splits.ts'

export interface Groups {
  /** May this unit grow? */
  isFree(unit: number): boolean
  /** Must every unit be copied equally often? Then the reason. */
  equalCopies(unit: number): string | undefined
  /** Free units of an axis, in order, without repetitions. */
  freeUnits(axis: Axis): readonly number[]
  /** Why a layer cannot grow; undefined if it can. */
  refusal(layer: Layer): string | undefined
  /** The shares that parameters take where computed values are summed over units. */
  readonly shares: Shares
  /** Layers whose width contains the unit. */
  layersOf(unit: number): readonly Layer[]
}

/** Frozen, because of this source, reached by this step from another unit. */
interface Frost {
  readonly source: FreezeSource
  readonly from: number | undefined
  readonly node: number
}

export function groupsOf(solution: Solution): Groups {
  const { algebra } = solution
  const equal = new Map<number, string>()
  for (const { axis, reason, node } of algebra.equalCopies) {
    const leaves = [...new Set(algebra.leaves(axis))]
    const expanded = algebra.expand(axis)
    algebra.node = node
    // Concatenated parts would have to grow by one common factor.
    if (hasSumOfDifferent(expanded)) algebra.freeze(axis, reason)
    else for (const leaf of leaves) equal.set(leaf, reason)
  }
  algebra.node = -1
  const inert = spread(solution)
  const { shares, unshared } = shareOut(solution, (unit) => inert[unit] === undefined)
  for (const { axis, node, reason } of unshared) {
    algebra.node = solution.model.graph.nodes.indexOf(node)
    algebra.freeze(axis, reason)
  }
  algebra.node = -1
  const frost = unshared.length === 0 ? inert : spread(solution)

  const layers = new Map<number, Layer[]>()
  for (const layer of solution.layers)
    for (const leaf of new Set(algebra.leaves(layer.axis))) {
      const list = layers.get(leaf)
      if (list) list.push(layer)
      else layers.set(leaf, [layer])
    }

  const freeUnits = (axis: Axis) =>
    [...new Set(algebra.leaves(axis))].filter((leaf) => frost[leaf] === undefined)
  return {
    isFree: (unit) => frost[unit] === undefined,
    equalCopies: (unit) => equal.get(unit),
    freeUnits,
    shares,
    layersOf: (unit) => layers.get(unit) ?? [],
    refusal(layer) {
      if (freeUnits(layer.axis).length > 0) return undefined
      // What became of a unit's own number is the shortest way to what froze it.
      const units = algebra.origins(layer.axis).filter((unit) => frost[unit] !== undefined)
      // What keeps a factor of one (the queries among queries, keys and values) says little.
      const unit = units.find((each) => algebra.sizeOfUnit(each) !== 1) ?? units[0]
      if (unit === undefined) return 'it has a single output that stands for no unit'
      return explain(solution, frost, unit, layer)
    },
  }
}

function hasSumOfDifferent(axis: Axis): boolean {
  switch (axis.kind) {
    case 'unit':
      return false
    case 'product':
      return axis.factors.some(hasSumOfDifferent)
    case 'sum': {
      const texts = new Set(axis.terms.map((term) => JSON.stringify(term)))
      return texts.size > 1 || axis.terms.some(hasSumOfDifferent)
    }
  }
}

/** Spreads the reasons along the edges, nearest first. */
function spread({ algebra }: Solution): readonly (Frost | undefined)[] {
  const next: number[][] = Array.from({ length: algebra.unitCount }, () => [])
  algebra.edges.forEach((edge, i) => {
    next[edge.from]!.push(i)
  })
  const frost: (Frost | undefined)[] = Array(algebra.unitCount).fill(undefined)
  const queue: number[] = []
  for (const source of algebra.sources)
    if (frost[source.unit] === undefined) {
      frost[source.unit] = { source, from: undefined, node: source.node }
      queue.push(source.unit)
    }
  for (let head = 0; head < queue.length; head++) {
    const unit = queue[head]!
    for (const i of next[unit]!) {
      const { to, node } = algebra.edges[i]!
      if (frost[to] !== undefined) continue
      frost[to] = { source: frost[unit]!.source, from: unit, node }
      queue.push(to)
    }
  }
  return frost
}

/** At most this many nodes of the path are named. */
const NAMED_STEPS = 3

function explain(
  { model }: Solution,
  frost: readonly (Frost | undefined)[],
  unit: number,
  layer: Layer,
): string {
  const { nodes } = model.graph
  const steps: string[] = []
  let here = frost[unit]!
  const { source } = here
  while (here.from !== undefined) {
    const node = nodes[here.node]
    if (node && node !== layer.node && here.node !== source.node) {
      const text = describeNode(node)
      if (steps.at(-1) !== text) steps.push(text)
    }
    here = frost[here.from]!
  }
  const shown =
    steps.length > NAMED_STEPS ? [steps[0]!, `${steps.length - 2} more`, steps.at(-1)!] : steps
  const through = shown.length > 0 ? ` through ${shown.join(', ')}` : ''
  const origin = nodes[source.node]
  if (origin === undefined) return `its units reach ${source.reason}${through}`
  if (origin === layer.node) return `${describeNode(origin)} ${source.reason}`
  return `its units reach ${describeNode(origin)}${through}, which ${source.reason}`
}
