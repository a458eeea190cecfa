/** What growth costs, before it is chosen. */
import {
  countMultiplyAdds,
  countParameters,
  type GrowthStep,
  grow,
  type InspectedLayer,
  type Model,
  Net2NetError,
  planDeepen,
  type Solution,
} from 'net2net'
import { constantsOf } from 'net2net/model'
import { refusedError } from '../../../src/errors.ts'
import type { Budget, Cost, GrowSettings, LayerPrice } from './protocol.ts'
import type { ModelView } from './view.ts'

export function priceOf(
  solution: Solution,
  view: ModelView,
  layer: InspectedLayer,
  settings: GrowSettings,
): LayerPrice {
  const before: Cost = { parameters: view.parameters, multiplyAdds: view.multiplyAdds }
  const price = (model: Model): Cost => lessCost(costOf(model), before)
  const wider =
    layer.widen === true ? attempt(() => oneStepWider(solution, view, layer)) : undefined
  const { deepen: _, ...others } = settings
  const deeper =
    layer.deepen === true ? attempt(() => inserted(solution, layer.name, others)) : undefined
  return {
    ...(wider && { next: wider.next, wider: price(wider.model) }),
    ...(deeper && { deeper: { parameters: deeper, multiplyAdds: null } }),
  }
}

/** undefined where it is refused: the list of layers says why. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (error instanceof Net2NetError) return undefined
    throw error
  }
}

const costOf = (model: Model): Cost => ({
  parameters: countParameters(model),
  multiplyAdds: countMultiplyAdds(model),
})
const lessCost = (after: Cost, before: Cost): Cost => ({
  parameters: after.parameters - before.parameters,
  multiplyAdds:
    after.multiplyAdds === null || before.multiplyAdds === null
      ? null
      : after.multiplyAdds - before.multiplyAdds,
})

/** A factor takes a layer to the smallest width that its group allows. */
function oneStepWider(solution: Solution, view: ModelView, { name, width }: InspectedLayer) {
  const { model } = grow(solution, [{ widen: { [name]: 'x1.000001' }, noise: 'none' }])
  const found = widthAfter(view, model, name, width)
  const next = found ?? (width ?? 0) + 1
  return { model, next: { width: next, step: next - (width ?? 0) } }
}

/** The new size of the axis of a layer's weight that is its width. */
function widthAfter(view: ModelView, grown: Model, name: string, width: number | null) {
  const weight = view.nodes.find((node) => node.name === name || node.id === name)?.parameters[0]
  const after = weight && constantsOf(grown).get(weight.name)?.dims
  const axis = weight?.dims.findIndex((size, i) => size === width && after?.[i] !== size)
  return axis === undefined || axis < 0 ? undefined : after?.[axis]
}

function inserted(
  solution: Solution,
  name: string,
  settings: Omit<GrowSettings, 'deepen'>,
): number {
  const { block, deepInit: init, kernel } = settings
  const plan = planDeepen(solution, [name], { block, init, kernelSize: kernel })
  return plan.inserted
    .flatMap(({ layer }) => layer.parameters)
    .reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0)
}

/** Where less than this share of what a budget adds is left, it is spent. */
const spent = 0.05

interface Opened {
  readonly solution: Solution
  readonly view: ModelView
  readonly layers: readonly InspectedLayer[]
}
interface Widened {
  readonly widths: ReadonlyMap<string, number>
  readonly cost: Cost
}

/**
 * All layers that can be widened, by one factor: the largest one with which the budget is kept.
 *
 * @param from Widths that some have at least. Only where these leave much of the budget, all are widened from there.
 * @throws refused where not even the smallest growth keeps it
 */
export function widenAll(
  { solution, view, layers }: Opened,
  { of, most }: Budget,
  from: ReadonlyMap<string, number>,
  { init, noise, seed }: GrowSettings,
): Widened {
  const groups = firstOfGroups(layers, from)
  let best: Widened | undefined
  /** A factor takes each group to a width that it may have. */
  const keeps = (factor: number): boolean => {
    const widen = Object.fromEntries(
      groups.flatMap(({ name, width }): (readonly [string, number | `x${string}`])[] => {
        const least = from.get(name) ?? width!
        if (factor === 1) return least === width ? [] : [[name, least]]
        return [[name, `x${((factor * least) / width!).toFixed(6)}`]]
      }),
    )
    const options = init === 'random-pad' ? { init } : { init, noise }
    const step: GrowthStep = { widen, seed, ...options }
    const { model } = grow(solution, [step])
    const cost = costOf(model)
    if ((cost[of] ?? Number.POSITIVE_INFINITY) > most) return false
    const widths = groups.flatMap(({ name, width }) => {
      const after = widthAfter(view, model, name, width)
      return after === undefined ? [] : [[name, after] as const]
    })
    best = { widths: new Map(widths), cost }
    return true
  }
  const tooSmall = refusedError('Not even the smallest growth of all layers stays within this.', {
    hint: 'Allow more, or widen single layers.',
  })
  const before = view[of]
  const isSpent = ({ cost }: Widened) =>
    before !== null && most - (cost[of] ?? most) < spent * (most - before)
  if (from.size > 0 && keeps(1) && best && isSpent(best)) return best
  if (groups.length === 0 || !keeps(1.000001)) {
    if (best) return best
    throw tooSmall
  }
  let [low, high] = [1, 2]
  while (high < 1024 && keeps(high)) {
    low = high
    high *= 2
  }
  while (high - low > low / 256) {
    const middle = (low + high) / 2
    if (keeps(middle)) low = middle
    else high = middle
  }
  if (best === undefined) throw tooSmall
  return best
}

/** One layer of each group that can be widened: the one of which a width is known, where there is one. */
function firstOfGroups(
  layers: readonly InspectedLayer[],
  known: ReadonlyMap<string, number>,
): readonly InspectedLayer[] {
  const taken = new Set<string>()
  const first = [...layers].sort((a, b) => Number(known.has(b.name)) - Number(known.has(a.name)))
  return first.filter(({ name, width, group, widen }) => {
    if (widen !== true || width === null || taken.has(name)) return false
    for (const member of [name, ...group]) taken.add(member)
    return true
  })
}
