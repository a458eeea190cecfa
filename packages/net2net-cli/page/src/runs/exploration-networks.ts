/** The networks of an exploration as the page draws them. */
import type { Cost } from 'net2net/exploring'
import { stepText } from '../../../src/exploration/words.ts'
import type { ExplorationContent } from '../../../src/server/api.ts'
import { t } from '../text/text.ts'

/** A network at the end of a rung. */
export interface Dot {
  readonly network: number
  readonly rung: number
  readonly costs: Readonly<Partial<Record<Cost, number>>>
  /** By the metric that was explored for; the smaller, the better, where that is a loss. */
  readonly quality: number
  readonly isOnFront: boolean
  /** What the address calls it; undefined where its file is kept no more. */
  readonly address: string | undefined
}

export interface DrawnNetwork {
  readonly network: number
  readonly title: string
  /** How it grew; empty for the first. */
  readonly growth: string
  readonly parent: number | null
  readonly parentRung: number | null
  /** Generations since the first. */
  readonly depth: number
  readonly dots: readonly Dot[]
  /** Why it has none. */
  readonly reason: string | undefined
  readonly isOnFront: boolean
}

export const titleOf = (network: number): string =>
  network === 0 ? t('the first network') : t('network {0}', network)

/** Every network behind the one that it grew from, as a tree is read. */
export function networksOf(id: string, content: ExplorationContent): readonly DrawnNetwork[] {
  const { trials, front, files, objectives } = content
  const name = (network: number, rung: number) => `${network}:${rung}`
  const best = new Set(front.map(({ network, rung }) => name(network, rung)))
  const kept = new Set(files.map(({ network, rung }) => name(network, rung)))
  const children = new Map<number | null, (typeof trials)[number][]>()
  for (const trial of trials)
    children.set(trial.parent, [...(children.get(trial.parent) ?? []), trial])
  const drawn: DrawnNetwork[] = []
  // Networks may be many generations deep: no recursion.
  const open = (children.get(null) ?? []).map((trial) => ({ trial, depth: 0 })).reverse()
  for (let next = open.pop(); next; next = open.pop()) {
    const { trial, depth } = next
    const { network, parent, parentRung, grown, reason, rungs } = trial
    const dots = rungs.map(({ rung, valLoss, metrics, ...costs }): Dot => {
      const { metric } = objectives
      return {
        network,
        rung,
        costs: numbers(costs),
        quality: (metric === 'valLoss' ? valLoss : metrics?.[metric]) ?? Number.NaN,
        isOnFront: best.has(name(network, rung)),
        address: kept.has(name(network, rung)) ? `exploration:${id}:${network}:${rung}` : undefined,
      }
    })
    drawn.push({
      network,
      title: titleOf(network),
      growth: grown ? stepText(grown) : '',
      parent,
      parentRung,
      depth,
      dots,
      reason,
      isOnFront: dots.some(({ isOnFront }) => isOnFront),
    })
    for (const child of (children.get(network) ?? []).toReversed())
      open.push({ trial: child, depth: depth + 1 })
  }
  return drawn
}

const costNames = [
  'parameters',
  'multiplyAdds',
  'latency',
  'size',
] as const satisfies readonly Cost[]

const numbers = (costs: Readonly<Partial<Record<Cost, number | null>>>): Dot['costs'] =>
  Object.fromEntries(
    costNames.flatMap((name) => {
      const value = costs[name]
      return typeof value === 'number' ? [[name, value] as const] : []
    }),
  )

export const costTitle = (cost: Cost): string =>
  ({
    parameters: t('parameters'),
    multiplyAdds: t('multiply-adds'),
    latency: t('latency (ms)'),
    size: t('size (bytes)'),
  })[cost]

/** The costs that some network has, those first that were explored against. */
export function costsOf(
  networks: readonly DrawnNetwork[],
  { against }: ExplorationContent['objectives'],
): readonly Cost[] {
  const dots = networks.flatMap((network) => network.dots)
  const known = costNames.filter((cost) => dots.some(({ costs }) => costs[cost] !== undefined))
  return [
    ...against.filter((cost) => known.includes(cost)),
    ...known.filter((cost) => !against.includes(cost)),
  ]
}
