/** What an exploration has come to, as a document: explore.json, and what `--json` prints. */

import type { GrowthStep } from 'net2net'
import type { Cost, Entry, ExploredNetwork, GrowthDraw, RungOutcome } from 'net2net/exploring'

/** A network of the front. */
export interface FrontRecord {
  /** In the exploration's folder. */
  readonly file: string
  /** Steps with their plans: `net2net grow RECIPE start.onnx` grows the same network, as it was before training. */
  readonly recipe: string | null
  /** When it grew: `net2net train start.onnx --recipe FILE` grows at the same steps. */
  readonly trainingRecipe: string | null
  readonly network: number
  readonly rung: number
  /** The network that it grew from; null for the first. */
  readonly parent: number | null
  readonly parameters: number
  readonly multiplyAdds: number | null
  readonly size: number
  /** Milliseconds for one sample. */
  readonly latency?: number
  readonly valLoss: number
  readonly metrics?: Readonly<Record<string, number>>
  /** Steps that it and those that it grew from have been trained. */
  readonly steps: number
}

/** A network of the exploration with what came of its rungs. */
export interface TrialRecord {
  readonly network: number
  readonly parent: number | null
  /** The rung of the parent that it grew from. */
  readonly parentRung: number | null
  /** How its growth was chosen. */
  readonly by: GrowthDraw['by'] | null
  readonly grown: GrowthStep | null
  readonly status: 'trained' | 'training' | Exclude<RungOutcome['kind'], 'trained'>
  /** Why it ended, where it failed or was not trained. */
  readonly reason?: string
  readonly rungs: readonly RungRecord[]
}

export interface RungRecord {
  readonly rung: number
  /** As of `FrontRecord`. */
  readonly steps: number
  readonly trainLoss: number
  readonly valLoss: number
  readonly metrics?: Readonly<Record<string, number>>
  readonly parameters: number
  readonly multiplyAdds: number | null
  readonly size: number
  readonly latency?: number
  readonly seconds: number
  /** SHA-256 of the network's file. */
  readonly digest: string
}

export interface ExplorationResults {
  /** The file of the best network. */
  readonly best: string | null
  readonly front: readonly FrontRecord[]
  readonly trials: readonly TrialRecord[]
  readonly directory: string
  /** Whether the budget is spent. */
  readonly finished: boolean
  readonly objectives: {
    readonly metric: string
    readonly against: readonly Cost[]
    readonly limits: Readonly<Partial<Record<Cost, number>>>
  }
  readonly spent: { readonly trials: number; readonly steps: number; readonly seconds: number }
}

export const frontFiles = ({ network, rung }: Pick<Entry, 'network' | 'rung'>) => {
  const name = `front/network-${network}-rung-${rung}`
  return {
    file: `${name}.onnx`,
    recipe: network === 0 ? null : `${name}.recipe.yaml`,
    trainingRecipe: network === 0 ? null : `${name}.training.yaml`,
  }
}

export const bestFile = 'best.onnx'

export function frontRecord(
  { network, rung, measured }: Entry,
  networks: readonly ExploredNetwork[],
): FrontRecord {
  const { parameters, multiplyAdds, size, latency, loss, metrics, step } = measured
  return {
    ...frontFiles({ network, rung }),
    network,
    rung,
    parent: networks[network]?.growth?.parent.network ?? null,
    parameters,
    multiplyAdds,
    size,
    ...(latency === undefined ? {} : { latency }),
    valLoss: loss,
    ...(metrics ? { metrics } : {}),
    steps: step,
  }
}

export function trialRecord({ network, growth, rungs }: ExploredNetwork): TrialRecord {
  const [first] = rungs
  const last = rungs.at(-1)
  const reason =
    last?.kind === 'failed'
      ? last.message
      : last?.kind === 'beyond'
        ? `beyond the limit of ${last.limit}: ${last.value}`
        : undefined
  return {
    network,
    parent: growth?.parent.network ?? null,
    parentRung: growth?.parent.rung ?? null,
    by: growth?.by ?? null,
    grown: (first && 'grown' in first ? first.grown : undefined) ?? null,
    status: last?.kind ?? 'training',
    ...(reason === undefined ? {} : { reason }),
    rungs: rungs.flatMap((outcome, rung) => {
      if (outcome.kind !== 'trained') return []
      const { kind: _, grown: __, loss, step, ...rest } = outcome
      return [{ rung, steps: step, valLoss: loss, ...rest }]
    }),
  }
}
