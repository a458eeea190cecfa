/** From a sweep file's entries to arms with all their settings, grids written out. */

import { sweepNetworks } from '../trial/networks.ts'
import type { Growth, TrialOptimizer, TrialStage } from '../trial/trial.ts'
import type { ArmEntry, ExperimentEntry, Settings } from './schema.ts'
import { growthNames, settingNames } from './schema.ts'

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

/** The growth of an arm or stage; undefined where it has none. */
export function growthOf(entry: Growth): Growth | undefined {
  if (entry.widen === undefined && entry.deepen === undefined) return undefined
  const relevant = growthNames.filter(
    (name) =>
      entry[name] !== undefined &&
      (entry.widen !== undefined || !['widenInit', 'noise', 'noiseSize'].includes(name)) &&
      (entry.deepen !== undefined || !['deepenInit', 'block'].includes(name)),
  )
  return Object.fromEntries(relevant.map((name) => [name, entry[name]])) as Growth
}

export const stagesOf = (arm: ArmEntry): readonly TrialStage[] | undefined =>
  arm.stages?.map((stage) => ({
    ...growthOf(stage),
    afterEpoch: stage.afterEpoch,
    ...(stage.learningRateFactor === undefined
      ? {}
      : { learningRateFactor: stage.learningRateFactor }),
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
