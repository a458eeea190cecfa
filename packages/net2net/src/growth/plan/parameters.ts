/**
 * The part of a plan that is about parameters: which of their axes are gathered by which map, and which
 * units' shares and what noise they take.
 */
import { type Axis, partsOf } from '../../operators/contract/axis.ts'
import { operatorOf } from '../../operators/table.ts'
import type { ParameterChange } from '../growth-plan.ts'
import { nodeKey } from '../solve/rule-context.ts'
import type { ParameterUse } from '../solve/weights.ts'
import { axisMapOf, parameterMapOf, rolesIn } from './project.ts'
import { newSize, type Planning, partition, useKey } from './variants.ts'

type Need = Pick<ParameterChange, 'axes' | 'padding'> & {
  readonly after: readonly number[]
  /** The axis along which noise may sum to zero. */
  readonly noiseAxis?: number
  /** Are there nodes between the parameter and the sum, which may multiply it with other noise? */
  readonly isBeforeSum?: true
}

export function planParameters(context: Planning): ParameterChange[] {
  const { parameters, model } = context.solution
  const byName = new Map<string, ParameterUse[]>()
  for (const use of parameters) {
    const list = byName.get(use.name)
    if (list) list.push(use)
    else byName.set(use.name, [use])
  }
  const outputs = new Set(model.graph.outputs.map((output) => output.name))
  const changes: ParameterChange[] = []
  for (const [name, uses] of byName) {
    const needs = new Map<string, Need>()
    for (const use of uses) {
      const need = needOf(context, use)
      if (need) needs.set(useKey(nodeKey(use.node), use.input), need)
    }
    if (needs.size === 0) continue
    const { shared, variants } = partition(context.solution, name, outputs.has(name), needs)
    variants.forEach(({ need, uses: rewired }, i) => {
      const cloned = shared || i > 0
      changes.push({
        name,
        to: cloned ? context.names.fresh(`${name}_grown`) : name,
        ...(cloned && { uses: rewired }),
        before: uses[0]!.tensor.dims,
        after: need.after,
        axes: need.axes,
        ...(need.padding !== undefined && { padding: need.padding }),
        ...(need.noiseAxis !== undefined &&
          context.noise !== 'none' && {
            noise: {
              kind: context.noise,
              relative: context.noiseSize,
              ...(need.noiseAxis !== firstSummed(need) && { axis: need.noiseAxis }),
              ...(need.isBeforeSum && need.axes.length > 1 && { alike: true as const }),
            },
          }),
      })
    })
  }
  return changes
}

const firstSummed = ({ axes }: Need): number | undefined =>
  axes.find(({ map, role }) => rolesIn(map, role).has('summed'))?.axis

/** What growth makes of one use of a parameter; undefined if it stays as it is. */
function needOf(context: Planning, use: ParameterUse): Need | undefined {
  const { shares, ids } = context
  const { algebra } = context.solution
  const after = [...use.tensor.dims]
  let noiseAxis: number | undefined
  const axes = use.axes.flatMap((axis, k) => {
    const size = use.tensor.dims[k]!
    const plain = axisMapOf(algebra, axis, size, ids)
    if (!plain) return []
    after[k] = newSize(context, plain)
    if (use.summed[k]) {
      noiseAxis ??= k
      return [{ axis: k, map: plain, role: 'summed' as const }]
    }
    const marked = shares.axisOf(use, k)
    const units = marked ? sharedUnits(marked).filter((unit) => ids.has(unit)) : []
    if (!marked || units.length === 0) return [{ axis: k, map: plain, role: 'carried' as const }]
    // Noise cannot follow shares through a node that is not linear.
    if (units.every((unit) => shares.allowsNoise(unit))) noiseAxis ??= k
    return [{ axis: k, ...parameterMapOf(algebra, marked, size, ids) }]
  })
  if (axes.length === 0) return undefined
  const padding = operatorOf(use.node)?.growth?.padding?.[use.input]
  return {
    axes,
    after,
    ...(padding !== undefined && { padding }),
    ...(noiseAxis !== undefined && { noiseAxis }),
    ...(noiseAxis !== undefined && !use.summed[noiseAxis] && { isBeforeSum: true }),
  }
}

/** The units of an axis whose shares it takes. */
const sharedUnits = (axis: Axis): readonly number[] =>
  axis.kind === 'unit' ? (axis.shares ? [axis.id] : []) : partsOf(axis).flatMap(sharedUnits)
