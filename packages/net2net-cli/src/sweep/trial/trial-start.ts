/** Where a trial starts: its optimizer, its network before the first step, and the state that it carries. */

import { type GrownModel, grow, load, type Model } from 'net2net'
import { readCheckpoint } from 'net2net/checkpoints'
import type { TrainTest } from 'net2net/data'
import { carryState, growMeasured } from 'net2net/growing'
import { nodeRuntime } from 'net2net/runtime'
import { elementCount, fillTensor, glorotUniform, isFloat } from 'net2net/tensor'
import {
  adam,
  adamw,
  buildStep,
  type Optimizer,
  sgd,
  startingState,
  type TrainingState,
  withParameters,
} from 'net2net/training'
import { buildNetwork } from './networks.ts'
import type { SweepFolder } from './sweep-folder.ts'
import type { TrialSpec } from './trial.ts'

/** What all trials minimize. */
export const trialLoss = 'softmax-cross-entropy'

export function optimizerOf({ optimizer, learningRate }: TrialSpec): Optimizer {
  const { name, momentum, weightDecay } = optimizer
  const decay = weightDecay === undefined ? {} : { weightDecay }
  if (name === 'sgd') return sgd({ learningRate, momentum: momentum ?? 0, ...decay })
  return (name === 'adam' ? adam : adamw)({ learningRate, ...decay })
}

/** The network before the first step, and the state to go on with, where one is carried. */
export async function startOf(
  spec: TrialSpec,
  folder: SweepFolder,
  data: TrainTest,
): Promise<{ readonly model: Model; readonly state?: TrainingState | undefined }> {
  const { parent, growth = [], seed, threads, learningRate } = spec
  const base =
    parent === undefined
      ? buildNetwork(spec.network, spec.width, seed)
      : await load(folder.file(parent, 'model'))
  if (spec.fresh) return { model: withFreshKernels(grow(base, growth), seed) }
  const { model, plans } = await growMeasured(base, growth, {
    samples: data.train,
    runtime: nodeRuntime,
    session: { threads },
  })
  if (!spec.carryOptimizer || parent === undefined) return { model }

  const { state } = await readCheckpoint(folder.file(parent, 'state'))
  const options = { loss: trialLoss, optimizer: optimizerOf(spec) } as const
  const teacher = { model: base, step: buildStep(base, options), state }
  const carried = carryState(teacher, plans, { ...options, learningRate })
  return { model, state: startingState(carried.state.tensors) }
}

/**
 * The same architecture with fresh parameters: kernels Glorot-uniform as in new networks, vectors
 * as they are in a network that was never trained.
 *
 * @param grown from a network that was never trained
 */
function withFreshKernels({ model }: GrownModel, seed: number): Model {
  const kernels = [...model.graph.initializers].flatMap(([name, { tensor }]) => {
    const { dims, dtype } = tensor
    if (!isFloat(dtype) || dims.length < 2) return []
    const window = elementCount(dims.slice(2))
    const fill = glorotUniform(dims[1]! * window, dims[0]! * window)
    return [[name, fillTensor(fill, 'float32', dims, seed, 'fresh', name)] as const]
  })
  return withParameters(model, new Map(kernels))
}
