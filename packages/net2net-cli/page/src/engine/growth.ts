/** What the Grow tab does to a model: widen, then deepen. */

import {
  applyPlan,
  type GrowthPlan,
  inspect,
  type Model,
  planDeepen,
  planWiden,
  rolesIn,
} from 'net2net'
import type { GrowSettings, LayerView } from './protocol.ts'

export const inspectLayers = (model: Model): readonly LayerView[] => inspect(model).layers

export function grow(
  model: Model,
  settings: GrowSettings,
): { readonly model: Model; readonly plans: readonly GrowthPlan[] } {
  const { widths, deepen, block, init, deepInit, noise, seed } = settings
  const plans: GrowthPlan[] = []
  let grown = model
  if (widths.size > 0) {
    const plan = planWiden(
      grown,
      Object.fromEntries(widths),
      init === 'net2wider' ? { seed, init, noise } : { seed, init },
    )
    plans.push(plan)
    grown = applyPlan(grown, plan)
  }
  if (deepen.length > 0) {
    const plan = planDeepen(grown, deepen, { seed, init: deepInit, block })
    plans.push(plan)
    grown = applyPlan(grown, plan)
  }
  return { model: grown, plans }
}

/** The plans in words, one change a line. */
export function planText(plans: readonly GrowthPlan[]): string {
  const lines = plans.flatMap((plan) => [
    ...plan.units.map(
      ({ members, from, to, init }) =>
        `widen ${members.join(', ')}: ${from} → ${to} units, ${init}`,
    ),
    ...plan.parameters.map(({ name, to, before, after, axes }) => {
      const roles = axes
        .map(({ axis, map, role }) => `axis ${axis} ${[...rolesIn(map, role)].join(' and ')}`)
        .join(', ')
      const clone = to === name ? '' : ` (cloned as ${to})`
      return `  ${name}${clone}: ${before.join('×')} → ${after.join('×')}, ${roles}`
    }),
    ...plan.integers.map((change) => {
      const what =
        'constant' in change
          ? `size ${change.constant}[${change.index}]`
          : `attribute ${change.attribute} of ${change.node}`
      return `  ${what}: ${change.from} → ${change.to}`
    }),
    ...plan.copied.map(
      ({ outputs, uses }) =>
        `  compute ${Object.keys(outputs).join(', ')} anew for ${uses.map(({ node }) => node).join(', ')}`,
    ),
    ...plan.positions.map(
      ({ to, before, after }) => `  positions ${to}: ${before.join('×')} → ${after.join('×')}`,
    ),
    ...plan.pinned.map(({ to, elements }) => `  pin ${to} at ${elements.join(', ')}`),
    ...plan.inserted.map(
      ({ after, name, init, layer }) =>
        `insert ${name} after ${after}: ${layer.nodes.map((node) => node.opType).join(', ')}, ${init}`,
    ),
    ...(plan.repeated ?? []).flatMap(({ blocks, value, nodes, parameters, gates }) => [
      `repeat ${blocks.join(', ')} behind ${value}: ${nodes.length} nodes`,
      ...parameters.map(
        ({ name, to, start }) => `  ${to}: ${start === 'zero' ? 'zero' : `as ${name}`}`,
      ),
      ...gates.map(({ name, dims }) => `  gate ${name}: zero, ${dims.join('×')}`),
    ]),
  ])
  return lines.join('\n')
}

/**
 * The same growth as a recipe for `net2net grow`: JSON, which is YAML too. Every choice is written
 * down, so that it does the same whatever the defaults of a later version are.
 */
export function recipeOf(settings: GrowSettings): string {
  const { widths, deepen, block, init, deepInit, noise, seed } = settings
  const wider = Object.fromEntries(widths)
  const widen =
    init === 'net2wider' ? { widen: wider, init, noise, seed } : { widen: wider, init, seed }
  const steps = [
    ...(widths.size > 0 ? [widen] : []),
    ...(deepen.length > 0 ? [{ deepen, init: deepInit, block, seed }] : []),
  ]
  return `${JSON.stringify({ version: 1, steps }, null, 2)}\n`
}
