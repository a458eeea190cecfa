/** From a sweep file's entries to arms with all their settings, grids written out. */

import type { GrowthStep } from 'net2net'
import type { GrowthStage } from 'net2net/growing'
import { sweepNetworks } from '../trial/networks.ts'
import type { TrialOptimizer } from '../trial/trial.ts'
import type { ArmEntry, ExperimentEntry, GrowthEntry, Settings } from './schema.ts'
import { settingNames } from './schema.ts'

/** What holds where the file says nothing. */
const builtIn = {
  network: 'cnn',
  data: 'mnist',
  epochs: 3,
  batchSize: 32,
  optimizer: 'sgd',
  learningRate: 0.01,
} as const

/** Of the learning rate that its teacher has, what a student gets unless told otherwise: the paper's. */
const studentShare = 10

export type ResolvedSettings = Settings & Required<Pick<Settings, keyof typeof builtIn | 'width'>>

export function resolveSettings(...layers: readonly (Settings | undefined)[]): ResolvedSettings {
  const merged: Settings = {}
  for (const layer of layers)
    for (const name of settingNames)
      if (layer?.[name] !== undefined) Object.assign(merged, { [name]: layer[name] })
  const network = merged.network ?? builtIn.network
  return { ...builtIn, width: sweepNetworks[network].width, ...merged }
}

export const optimizerOf = (settings: ResolvedSettings): TrialOptimizer => ({
  name: settings.optimizer,
  ...(settings.optimizer === 'sgd' ? { momentum: settings.momentum ?? 0.9 } : {}),
  ...(settings.weightDecay === undefined ? {} : { weightDecay: settings.weightDecay }),
})

/** A tenth, without the last digits that a division would leave. */
export const studentRate = (rate: number): number => Number((rate / studentShare).toPrecision(12))

/** The growth of an arm or stage in the library's words: widening first, then deepening. */
export function stepsOf(entry: GrowthEntry): readonly GrowthStep[] {
  const { widen, deepen, widenInit, deepenInit, noise, noiseSize, block } = entry
  return [
    ...(widen
      ? [
          {
            widen,
            ...(widenInit && { init: widenInit }),
            ...(noise && { noise }),
            ...(noiseSize !== undefined && { noiseSize }),
          },
        ]
      : []),
    ...(deepen
      ? [{ deepen, ...(deepenInit && { init: deepenInit }), ...(block && { block }) }]
      : []),
  ]
}

/** @param seed of the trial: growths of one trial draw different maps */
export const stagesOf = (
  arm: Pick<ArmEntry, 'stages'>,
  seed: number,
): readonly GrowthStage[] | undefined =>
  arm.stages?.map((stage) => ({
    when: { epoch: stage.afterEpoch },
    steps: stepsOf(stage),
    seed: seed + 1000 * stage.afterEpoch,
    learningRateFactor: stage.learningRateFactor ?? 1,
  }))

/** The seeds of an experiment: so many from 0 on, or exactly these. */
export const seedsOf = (seeds: ExperimentEntry['seeds']): readonly number[] =>
  typeof seeds === 'number'
    ? Array.from({ length: seeds }, (_, i) => i)
    : [...new Set(seeds ?? [0])]

export interface GridChoice {
  /** ` noise=paper`, or nothing without a grid. */
  readonly suffix: string
  readonly values: Readonly<Record<string, unknown>>
}

/** Every combination of a grid's values, the last field changing fastest. */
export function gridChoices(grid: Readonly<Record<string, readonly unknown[]>> = {}): GridChoice[] {
  let choices: GridChoice[] = [{ suffix: '', values: {} }]
  for (const [field, values] of Object.entries(grid))
    choices = choices.flatMap((choice) =>
      values.map((value) => ({
        suffix: `${choice.suffix} ${field}=${textOf(value)}`,
        values: { ...choice.values, [field]: value },
      })),
    )
  return choices
}

const textOf = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? JSON.stringify(value).replace(/["{}[\]]/g, '')
    : String(value)

/** The arms that a name or pattern (`wider*`) means; a grid's name means all of its arms. */
export function armsMeant(arms: readonly string[], pattern: string): readonly string[] {
  if (arms.includes(pattern)) return [pattern]
  const expression = new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}( .*)?$`,
  )
  return arms.filter((arm) => expression.test(arm))
}
