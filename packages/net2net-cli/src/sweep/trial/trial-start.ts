/** Where a trial starts: its network before the first step, and the state that it carries. */

import { load, type Model } from 'net2net'
import { readCheckpoint } from 'net2net/checkpoints'
import type { TrainTest } from 'net2net/data'
import { carryState } from 'net2net/growing'
import { nodeRuntime } from 'net2net/runtime'
import { buildStep, type Optimizer, startingState, type TrainingState } from 'net2net/training'
import { growNetwork, withFreshKernels } from './grow.ts'
import { buildNetwork } from './networks.ts'
import type { SweepFolder } from './sweep-folder.ts'
import { trialLoss } from './training-of.ts'
import type { TrialSpec } from './trial.ts'

/** The network before the first step, and the state to go on with, where one is carried. */
export async function startOf(
  spec: TrialSpec,
  folder: SweepFolder,
  data: TrainTest,
  optimizer: Optimizer,
): Promise<{ readonly model: Model; readonly state?: TrainingState | undefined }> {
  const { parent, growth, seed, threads } = spec
  const base =
    parent === undefined
      ? buildNetwork(spec.network, spec.width, seed)
      : await load(folder.file(parent, 'model'))
  const measuring = { seed, samples: data.train, runtime: nodeRuntime, threads }
  const grown = growth
    ? await growNetwork(base, growth, spec.fresh ? { seed } : measuring)
    : { model: base, plans: [] }
  if (spec.fresh) return { model: withFreshKernels(grown.model, seed) }
  if (!spec.carryOptimizer || parent === undefined) return { model: grown.model }

  const { state } = await readCheckpoint(folder.file(parent, 'state'))
  const options = { loss: trialLoss, optimizer } as const
  const teacher = { model: base, step: buildStep(base, options), state }
  const { learningRate } = spec
  const carried = carryState(teacher, grown.plans, { ...options, learningRate })
  return { model: grown.model, state: startingState(carried.state.tensors) }
}
