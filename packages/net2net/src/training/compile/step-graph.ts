/**
 * Compiles model + loss + optimizer into one ONNX model that makes one training step.
 *
 * Inputs: the model's own inputs, `target`, `learning_rate`, and the state: every parameter under
 * its own name, every slot as `PARAMETER.SLOT`, running statistics, and `random_key` where masks
 * are drawn. The state has its current values as overridable initializers, so that the file alone
 * can run. Outputs: `loss`, `correct` (right predictions of the batch, for losses of classes),
 * `NAME.next` for all of the state, and on request `PARAMETER.gradient` and
 * the sum of the next state.
 */

import { backward } from '../../autodiff/backward.ts'
import { refusedError, usageError } from '../../errors.ts'
import type { Model, Shape } from '../../model/model.ts'
import type { OutputMeaning } from '../../model/output-meaning.ts'
import { type Emitter, isCpu, type Target } from '../../operators/contract/gradient.ts'
import { reduce, reshape } from '../../operators/helpers/emission.ts'
import { separateConstants } from '../../operators/shared-constants.ts'
import type { LeftConstant } from '../../operators/trainable.ts'
import { lastStates } from '../../passes/cpu-layout/last-states.ts'
import { poolFirst } from '../../passes/cpu-layout/pool-first.ts'
import { withoutDroppedWindows } from '../../passes/dropped-windows.ts'
import { foldConstants } from '../../passes/fold-constants.ts'
import { nearestFirst } from '../../passes/order-nodes.ts'
import { positionMaps } from '../../passes/position-maps.ts'
import { inFloat32 } from '../../passes/single-precision.ts'
import { withSymbolicBatch } from '../../passes/symbolic-batch.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
import { windowPads } from '../../passes/window-pads.ts'
import { elementCount, type Tensor } from '../../tensor/tensor.ts'
import { ForwardGraph } from './forward-graph.ts'
import type { JoinedState } from './joined-vectors.ts'
import { sumOf } from './losses/counts.ts'
import type { Loss, LossName, TargetType } from './losses/index.ts'
import type { Optimizer } from './optimizers/optimizer.ts'
import type { GroupOptions } from './parameter-groups.ts'
import {
  declareLearningRate,
  followStatistics,
  type SlotState,
  type UpdatedParameters,
  updateParameters,
} from './state-updates.ts'
import { chooseParameters, withConstantsAsInitializers } from './trainable.ts'
import { nextKey, RANDOM_KEY, randomKey } from './uniform.ts'
import { lossScale } from './updates.ts'

export type { SlotState } from './state-updates.ts'

export interface StepOptions extends GroupOptions {
  readonly loss: Loss | LossName
  readonly optimizer: Optimizer
  /** Names or patterns (`conv1*`) of parameters, or of layers, that stay as they are. */
  readonly freeze?: readonly string[] | undefined
  /**
   * Names or patterns of what is trained, and nothing else. They may name any floating-point constant,
   * also one that would not be taken for a parameter.
   */
  readonly trainOnly?: readonly string[] | undefined
  /** Add the outputs `PARAMETER.gradient`. */
  readonly gradients?: boolean | undefined
  /**
   * Add an output (see `stateSum`): the sum of all that the step computes for the next one. It is finite
   * only if all of that is, so one number a step tells whether to look closer.
   */
  readonly watch?: boolean | undefined
  /** Scale the gradients so that their common norm is at most this. */
  readonly clipNorm?: number | undefined
  /** Which of the model's outputs the loss is of. Default: the first of floating-point numbers. */
  readonly output?: string | undefined
  /**
   * The shape of a batch's targets, [batch, …], where it is known: it tells the loss which axis of the
   * predictions holds the classes.
   */
  readonly targetShape?: Shape | undefined
  /**
   * Take a weight for each prediction, the input `sample_weights`: the loss is Σ w l / Σ w, and `correct` a sum of weights. Default: only where
   * the samples have weights.
   */
  readonly weighted?: boolean | undefined
  /** Which forms may be emitted. Default: standard ONNX for any runtime. */
  readonly target?: Target | undefined
  /**
   * Take all vectors that are trained (biases, scales) as one input, and give them back as one output: see `JoinedState`.
   * Default: every parameter and slot under its own name.
   */
  readonly joinVectors?: boolean | undefined
  /** Seed of the random masks (Dropout). Default 0. */
  readonly seed?: number | undefined
}

export interface StepGraph {
  readonly model: Model
  /** Names of the inputs that data is fed to. */
  readonly inputs: readonly string[]
  readonly target: TargetType
  /** Which of the model's outputs the loss is of, and what its numbers mean to the loss. */
  readonly output: string
  readonly meaning: OutputMeaning
  /** Trained parameters. */
  readonly parameters: readonly string[]
  /** Constants that could be taken for parameters and stay as they are, and why. */
  readonly left: readonly LeftConstant[]
  /** Are the parameters the low-rank adapters, and all others stay, because nothing else was asked for? */
  readonly adaptersAlone: boolean
  /** Running statistics that each step updates. */
  readonly statistics: readonly string[]
  readonly slots: readonly SlotState[]
  /** Which of the state is not an input of its own. */
  readonly joined: readonly JoinedState[]
  /** All state (parameters, statistics, slots, random key) at its start. */
  readonly state: ReadonlyMap<string, Tensor>
  /** Does the graph count right predictions? */
  readonly counts: boolean
  /** Name of the output with the norm of all gradients, before they were clipped: where they are. */
  readonly gradientNorm: string | undefined
  /** Name of the output that `watch` adds. */
  readonly stateSum: string | undefined
}

/**
 * @throws refused where a gradient is needed that does not exist, or nothing can be trained;
 *   usage for options that do not fit the model
 */
export function buildStep(model: Model, options: StepOptions): StepGraph {
  const { optimizer, seed = 0, clipNorm } = options
  const separate = separateConstants(model)
  const { trained, frozen, left, adaptersAlone } = chooseParameters(
    separate,
    options.trainOnly,
    options.freeze ?? [],
  )
  const source = prepared(separate, new Set(trained), options.target)
  const forward = new ForwardGraph(source, {
    ...options,
    training: { seed, frozen },
    variables: trained,
  })
  const { builder, emitter } = forward
  declareLearningRate(forward, optimizer)
  const scale = lossScale(emitter, options)
  const emitted = forward.emitLoss()
  const { loss, correct } = emitted
  const seeds = forward.seeds(emitted, scale)
  const gradients = backward(emitter, forward.nodes(), seeds, forward.variables)
  if (gradients.size === 0)
    throw refusedError(
      'Nothing of this model can be trained: no parameter that is not frozen reaches the loss.',
    )
  if (clipNorm !== undefined && !(clipNorm > 0))
    throw usageError(`The norm to clip gradients to must be positive, not ${clipNorm}.`)

  const isScaled = scale !== undefined
  const differentiated = { model: separate, source, forward, gradients, isScaled }
  const updated = updateParameters(differentiated, options)
  const followed = followStatistics(source, forward, options.joinVectors === true)
  const state = new Map([...updated.state, ...followed.state])
  const next = new Map([...updated.next, ...followed.next])
  if (forward.drawsRandomly) {
    state.set(RANDOM_KEY, randomKey(seed))
    next.set(RANDOM_KEY, nextKey(emitter, RANDOM_KEY))
  }
  const { parameters, slots, norm } = updated
  const { averages } = forward
  for (const [name, tensor] of state) {
    // Parameters and statistics are initializers already; they become inputs as well.
    if ([updated, followed].some(({ vectors }) => vectors?.vectors.includes(name))) continue
    if (parameters.includes(name) || averages.has(name))
      builder.input(name, tensor.dtype, tensor.dims)
  }

  const right = correct?.()
  forward.output('loss', loss)
  if (right !== undefined) forward.output('correct', right)
  const gradientNorm = norm === undefined ? undefined : builder.names.fresh('gradient_norm')
  if (norm !== undefined) forward.output(gradientNorm!, norm)
  for (const [name, value] of next) forward.output(`${name}.next`, value)
  if (options.gradients)
    for (const name of parameters) forward.output(`${name}.gradient`, gradients.get(name)!)
  const stateSum = options.watch ? sumOfState(forward, optimizer, updated, next) : undefined
  const whole = forward.model()
  const parts = updated.vectors?.split(whole.graph) ?? whole.graph
  const graph = followed.vectors?.split(parts) ?? parts
  return {
    model: { ...whole, graph: nearestFirst(graph) },
    inputs: forward.inputs,
    target: forward.target,
    output: forward.modelOutput,
    meaning: forward.meaning,
    parameters,
    left,
    adaptersAlone,
    statistics: [...averages.keys()],
    slots,
    joined: [
      ...(updated.vectors?.states(optimizer) ?? []),
      ...(updated.scalars?.states ?? []),
      ...(followed.vectors?.states() ?? []),
    ],
    state,
    counts: correct !== undefined,
    gradientNorm,
    stateSum,
  }
}

/** The model in the newest operators, in float32 and for batches of any size, and in forms whose gradients are fast. */
function prepared(
  model: Model,
  variables: ReadonlySet<string>,
  target: Target = 'standard',
): Model {
  const constant = withConstantsAsInitializers(inFloat32(model).model)
  const folded = foldConstants(withSymbolicBatch(upgrade(constant)), variables)
  const kept = withoutDroppedWindows(folded)
  if (target === 'standard') return kept
  const mapped = positionMaps(kept, variables)
  return isCpu(target) ? lastStates(poolFirst(windowPads(mapped, variables))) : mapped
}

/** Gives the sum of the next state as an output, without the slots that are not finite only where their parameters are not. */
function sumOfState(
  forward: ForwardGraph,
  optimizer: Optimizer,
  { slots, vectors }: UpdatedParameters,
  next: ReadonlyMap<string, string>,
): string {
  const shown = new Set([
    ...slots
      .filter(({ slot }) => optimizer.slots.some(({ name, shows }) => shows && name === slot))
      .map(({ name }) => name),
    ...(vectors?.shown(optimizer) ?? []),
  ])
  const watched = [...next].filter(([name]) => name !== RANDOM_KEY && !shown.has(name))
  const sum = sumOfAll(
    forward.emitter,
    watched.map(([, value]) => value),
  )
  const name = forward.builder.names.fresh('state_sum')
  forward.output(name, sum)
  return name
}

/** Below this many elements, rows are not worth a node of their own. */
const fewElements = 2 ** 16

/** The sums of a large value's rows, which ONNX Runtime computes with all threads; it sums whole values with one. */
function sumOfRows(emitter: Emitter, value: string): string {
  const shape = emitter.info(value).shape ?? []
  const [rows] = shape
  if (shape.length < 2 || elementCount(shape.map(Number)) < fewElements) return value
  return reduce(emitter, 'Sum', reshape(emitter, value, [Number(rows), -1]), [1], false)
}

/** The sum of all elements of all values, as a float32 scalar. */
function sumOfAll(emitter: Emitter, values: readonly string[]): string {
  const sums = values.map((value) => {
    const { dtype, shape } = emitter.info(value)
    const sum = shape?.length === 0 ? value : sumOf(emitter, sumOfRows(emitter, value))
    return dtype === 'float32' ? sum : emitter.op('Cast', [sum], { to: 1 })
  })
  return sums.length === 1 ? sums[0]! : emitter.op('Sum', sums)
}
