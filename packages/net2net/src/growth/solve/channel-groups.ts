/** Channel groups: which variables are free, why the others are not, and which layers share them. */
import { describeNode } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { SolvedAxes } from './axis-system.ts'
import type { Facts } from './facts.ts'
import { isUnbalanced, type Reasons } from './fixed.ts'
import type { Layer, Relations } from './relate.ts'

export interface ChannelGroups {
  /** May this variable grow? */
  isFree(variable: number): boolean
  /** Must every unit be copied equally often? Then the reason. */
  balanced(variable: number): string | undefined
  /** Free variables of an axis, in order, without repetitions. */
  freeVariables(axis: Axis): readonly number[]
  /** Why a layer cannot grow; undefined if it can. */
  refusal(layer: Layer): string | undefined
  /** Why a variable cannot grow; undefined if it can. */
  whyFixed(variable: number): string | undefined
  /** Layers whose width contains the variable. */
  layersOf(variable: number): readonly Layer[]
}

export function channelGroups(
  facts: Facts,
  axes: SolvedAxes,
  relations: Relations,
  reasons: Reasons,
): ChannelGroups {
  const balanced = new Map<number, string>()
  for (const { axis, reason } of relations.balanced)
    if (!isUnbalanced(axes, axis)) for (const leaf of axes.leaves(axis)) balanced.set(leaf, reason)
  const layers = new Map<number, Layer[]>()
  for (const layer of relations.layers)
    for (const leaf of axes.leaves(layer.axis)) {
      const list = layers.get(leaf)
      if (list) list.push(layer)
      else layers.set(leaf, [layer])
    }
  const isFree = (variable: number) => reasons[variable] === undefined
  const freeVariables = (axis: Axis) => axes.leaves(axis).filter(isFree)
  return {
    isFree,
    balanced: (variable) => balanced.get(variable),
    freeVariables,
    layersOf: (variable) => layers.get(variable) ?? [],
    refusal(layer) {
      if (freeVariables(layer.axis).length > 0) return undefined
      // The variables that the layer's axis was first written in have the shortest way to the reason.
      const fixed = axes.origins(layer.axis).filter((variable) => !isFree(variable))
      // The reason of a factor of size one (the number of queries, say) helps little, if there is another.
      const variable = fixed.find((each) => axes.sizeOfVariable(each) !== 1) ?? fixed[0]
      if (variable === undefined) return 'it has a single output that stands for no unit'
      return explain(facts, reasons, variable, layer)
    },
    whyFixed: (variable) =>
      isFree(variable) ? undefined : explain(facts, reasons, variable, undefined),
  }
}

/** At most this many nodes of the path are named. */
const NAMED_STEPS = 3

function explain(
  { model }: Facts,
  reasons: Reasons,
  variable: number,
  layer: Layer | undefined,
): string {
  const { nodes } = model.graph
  const steps: string[] = []
  let here = reasons[variable]!
  const { source } = here
  while (here.from !== undefined) {
    const node = nodes[here.at]
    if (node && node !== layer?.node && here.at !== source.at) {
      const text = describeNode(node)
      if (steps.at(-1) !== text) steps.push(text)
    }
    here = reasons[here.from]!
  }
  const shown =
    steps.length > NAMED_STEPS ? [steps[0]!, `${steps.length - 2} more`, steps.at(-1)!] : steps
  const through = shown.length > 0 ? ` through ${shown.join(', ')}` : ''
  const origin = nodes[source.at]
  if (origin === undefined) return `its units reach ${source.reason}${through}`
  if (origin === layer?.node) return `${describeNode(origin)} ${source.reason}`
  return `its units reach ${describeNode(origin)}${through}, which ${source.reason}`
}
