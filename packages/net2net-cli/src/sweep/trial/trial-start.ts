/** Where a trial starts: its network before the first step, and the state that it carries. */

import { load, type Model, Tensor } from 'net2net'
import { readCheckpoint } from 'net2net/checkpoints'
import type { TrainTest } from 'net2net/data'
import { growTraining } from 'net2net/growing'
import { nodeRuntime } from 'net2net/runtime'
import type { NumericDType } from 'net2net/tensor'
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
  const options = { seed, samples: data.train, runtime: nodeRuntime, threads }
  const grown = growth
    ? await growNetwork(base, growth, spec.fresh ? { seed } : options)
    : { model: base, plans: [] }
  if (spec.fresh) return { model: withFreshKernels(grown.model, seed) }
  if (!spec.carryOptimizer || parent === undefined) return { model: grown.model }

  const { state } = await readCheckpoint(folder.file(parent, 'state'))
  let carried = { model: base, step: buildStep(base, { loss: trialLoss, optimizer }), state }
  for (const plan of grown.plans)
    carried = growTraining(carried.model, carried.step, carried.state, plan, {
      loss: trialLoss,
      optimizer,
    })
  return {
    model: grown.model,
    state: startingState(
      atRate(carried, spec.learningRate / (state.history.at(-1)?.learningRate ?? 1)),
    ),
  }
}

/** SGD's velocity is in units of the learning rate: at another one it is as much larger or smaller. */
function atRate(
  { step, state }: Pick<ReturnType<typeof growTraining>, 'step' | 'state'>,
  ratio: number,
): ReadonlyMap<string, Tensor> {
  const tensors = new Map(state.tensors)
  for (const { name, slot } of step.slots) {
    const tensor = tensors.get(name)
    if (slot !== 'momentum' || !(tensor?.data instanceof Float32Array)) continue
    tensors.set(
      name,
      new Tensor<NumericDType>(
        tensor.dtype,
        tensor.dims,
        tensor.data.map((velocity) => velocity * ratio),
      ),
    )
  }
  return tensors
}
