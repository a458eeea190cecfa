/** From the arms of an experiment to the specifications of their trials. */
import { randomStream } from 'net2net/tensor'
import { scratchName, type TrialSpec, teacherArmName } from '../trial/trial.ts'
import type { Arm } from './entries.ts'
import {
  optimizerOf,
  type ResolvedSettings,
  resolveSettings,
  stagesOf,
  stepsOf,
  studentRate,
} from './expand.ts'
import type { ArmEntry, Settings } from './schema.ts'

/** The arm where another starts, `teacher` or `scratch`. */
export const sourceOf = ({ from = teacherArmName }: Pick<ArmEntry, 'from'>): string => from

/** Arms after those that they start from; arms whose start does not exist are left out. */
export function inOrder(arms: readonly Arm[]): readonly Arm[] {
  const known = new Set([teacherArmName, scratchName])
  const ordered: Arm[] = []
  for (let before = -1; before < ordered.length; ) {
    before = ordered.length
    for (const arm of arms)
      if (!ordered.includes(arm) && known.has(sourceOf(arm.entry))) {
        ordered.push(arm)
        known.add(arm.name)
      }
  }
  return ordered
}

export const teacherSpec = (settings: Settings, seed: number, threads: number): TrialSpec => ({
  ...specOf(resolveSettings(settings), seed, threads),
  order: seed,
})

export interface ArmContext {
  /** The experiment's settings. */
  readonly shared: Settings
  readonly seed: number
  readonly threads: number
  /** Where the arm starts; nothing for an arm from scratch. */
  readonly parent?: { readonly id: string; readonly spec: TrialSpec } | undefined
}

export function armSpec(entry: ArmEntry, { shared, seed, threads, parent }: ArmContext): TrialSpec {
  const growth = stepsOf(entry).map((step) => ({ ...step, seed }))
  const stages = stagesOf(entry, seed)
  return {
    ...specOf(resolveSettings(shared, entry), seed, threads),
    ...(parent
      ? {
          parent: parent.id,
          network: parent.spec.network,
          width: parent.spec.width,
          learningRate: entry.learningRate ?? inheritedRate(parent.spec),
        }
      : {}),
    ...(entry.carryOptimizer ? { carryOptimizer: true as const } : {}),
    ...(growth.length > 0 ? { growth } : {}),
    ...(growth.length > 0 && !parent ? { fresh: true as const } : {}),
    ...(stages ? { stages } : {}),
  }
}

/** An arm that starts from a student goes on at its rate. */
const inheritedRate = ({ parent, learningRate }: TrialSpec): number =>
  parent === undefined ? studentRate(learningRate) : learningRate

const specOf = (settings: ResolvedSettings, seed: number, threads: number): TrialSpec => ({
  format: 3,
  data: {
    set: settings.data,
    ...(settings.trainSize === undefined ? {} : { trainSize: settings.trainSize }),
    ...(settings.testSize === undefined ? {} : { testSize: settings.testSize }),
  },
  network: settings.network,
  width: settings.width,
  seed,
  // All but teachers see the same batches in the same order.
  order: randomStream(seed, 'students').below(2 ** 31),
  optimizer: optimizerOf(settings),
  learningRate: settings.learningRate,
  epochs: settings.epochs,
  batchSize: settings.batchSize,
  ...(settings.evaluateEvery === undefined ? {} : { evaluateEvery: settings.evaluateEvery }),
  threads,
})
