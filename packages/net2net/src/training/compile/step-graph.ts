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
import { foldConstants } from '../../passes/fold-constants.ts'
import { nearestFirst } from '../../passes/order-nodes.ts'
import { positionMaps } from '../../passes/position-maps.ts'
import { inFloat32 } from '../../passes/single-precision.ts'
import { withSymbolicBatch } from '../../passes/symbolic-batch.ts'
import { upgrade } from '../../passes/upgrade-opset.ts'
import { windowPads } from '../../passes/window-pads.ts'
import { elementCount, float32, materialize, type Tensor } from '../../tensor/tensor.ts'
import { freshPlateau, rateAt } from '../schedules.ts'
import { ForwardGraph } from './forward-graph.ts'
import { hiddenParameters } from './hidden-matrices.ts'
import { JoinedScalars } from './joined-scalars.ts'
import { isVector, type JoinedState, JoinedVectors } from './joined-vectors.ts'
import { number, sumOf } from './losses/counts.ts'
import type { Loss, LossName, TargetType } from './losses/index.ts'
import { type Optimizer, type Slot, slotName, slotsOf } from './optimizers/optimizer.ts'
import { type GroupOptions, parameterGroups } from './parameter-groups.ts'
import { chooseParameters, withConstantsAsInitializers } from './trainable.ts'
import { nextKey, RANDOM_KEY, randomKey } from './uniform.ts'
import { emitRate, emitUpdates, initialSlot, type PendingUpdate } from './updates.ts'

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
  /** Which of the model's outputs the loss is of. Default: the first. */
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

export interface SlotState {
  /** `PARAMETER.SLOT`. */
  readonly name: string
  readonly parameter: string
  readonly slot: Slot['name']
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
  const { optimizer, seed = 0 } = options
  const separate = separateConstants(model)
  const { trained, frozen, left, adaptersAlone } = chooseParameters(
    separate,
    options.trainOnly,
    options.freeze ?? [],
  )
  const constant = withConstantsAsInitializers(inFloat32(separate).model)
  const variables = new Set(trained)
  const folded = foldConstants(withSymbolicBatch(upgrade(constant)), variables)
  const { target = 'standard' } = options
  const mapped = target === 'standard' ? folded : positionMaps(folded, variables)
  const source = isCpu(target) ? lastStates(poolFirst(windowPads(mapped, variables))) : mapped
  const forward = new ForwardGraph(source, {
    ...options,
    training: { seed, frozen },
    variables: trained,
  })
  const { builder, emitter } = forward
  const { loss, gradient, correct } = forward.emitLoss()
  const reached = backward(
    emitter,
    forward.nodes(),
    new Map([gradient ? [forward.prediction, gradient()] : [loss, number(emitter, 1)]]),
    forward.variables,
  )
  if (reached.size === 0)
    throw refusedError(
      'Nothing of this model can be trained: no parameter that is not frozen reaches the loss.',
    )
  const limit = options.clipNorm
  if (limit !== undefined && !(limit > 0))
    throw usageError(`The norm to clip gradients to must be positive, not ${limit}.`)

  builder.input('learning_rate', 'float32', [])
  emitter.declare('learning_rate', { dtype: 'float32', shape: [] })
  builder.initializer(
    'learning_rate',
    float32([], [rateAt(optimizer.learningRate, { step: 0, epoch: 0, plateau: freshPlateau })]),
  )
  const state = new Map<string, Tensor>()
  const updates: PendingUpdate[] = []
  const slots: SlotState[] = []
  const parameters = forward.variables.filter((name) => reached.has(name))
  const groupOf = parameterGroups(separate, parameters, options)
  // What is joined has one update.
  const isJoinable =
    options.joinVectors && !options.rates && !options.decayOnly && !optimizer.isWhole
  const vectors = isJoinable ? parameters.filter((name) => isVector(emitter, name)) : []
  const joined = vectors.length > 1 ? new JoinedVectors(builder, emitter, vectors) : undefined
  const others = parameters.filter((name) => !joined?.vectors.includes(name))
  const numbers =
    options.joinVectors && optimizer.scalars && others.length > 1
      ? new JoinedScalars(builder, emitter, optimizer, others)
      : undefined
  const hidden = hiddenParameters(
    source.graph.nodes,
    forward.prediction,
    parameters,
    source.graph.initializers,
    (name) => emitter.info(name),
  )
  for (const parameter of parameters) {
    const tensor = materialize(source.graph.initializers.get(parameter)!.tensor)
    state.set(parameter, tensor)
    const isJoined = joined?.vectors.includes(parameter) ?? false
    const kind = { dims: tensor.dims, isHidden: hidden.has(parameter) }
    const isMatrix = optimizer.isMatrix?.(kind) ?? false
    const ownSlots = slotsOf(optimizer, isMatrix)
    for (const slot of ownSlots) {
      const name = slotName(parameter, slot.name)
      builder.names.claim(name)
      slots.push({ name, parameter, slot: slot.name })
      const value = initialSlot(slot, tensor)
      state.set(name, value)
      if (isJoined || (numbers && slot.shape === 'scalar')) continue
      builder.initializer(name, value)
      builder.input(name, value.dtype, value.dims)
      emitter.declare(name, { dtype: value.dtype, shape: value.dims })
    }
    if (isJoined) continue
    const group = groupOf(parameter, tensor)
    updates.push({
      context: {
        emitter,
        parameter,
        gradient: reached.get(parameter)!,
        learningRate: emitRate(emitter, group),
        isMatrix,
        decays: group.decays,
        slot: (name) => slotName(parameter, name),
        ...(numbers && { scalars: numbers.of(parameter) }),
      },
      next: (update) => [
        [parameter, update.parameter],
        ...ownSlots
          .filter(({ shape }) => !numbers || shape !== 'scalar')
          .map(({ name }) => [slotName(parameter, name), update.slots[name]!] as const),
      ],
    })
  }
  if (joined)
    updates.push({
      context: joined.context(optimizer, reached),
      next: (update) => joined.next(optimizer, update),
    })
  const { next: updated, norm } = emitUpdates(emitter, optimizer, updates, limit)
  const next = new Map([...updated, ...(numbers?.next ?? [])])
  const { averages } = forward
  for (const name of averages.keys())
    state.set(name, materialize(source.graph.initializers.get(name)!.tensor))
  const together = options.joinVectors
    ? [...averages.keys()].filter(
        (name) => averages.get(name)!.old === name && isVector(emitter, name),
      )
    : []
  const followed =
    together.length > 1 ? new JoinedVectors(builder, emitter, together, 'statistics') : undefined
  if (followed) next.set(followed.name, followed.follow(averages))
  for (const name of averages.keys())
    if (!followed?.vectors.includes(name)) next.set(name, forward.average(name))
  if (forward.drawsRandomly) {
    state.set(RANDOM_KEY, randomKey(seed))
    next.set(RANDOM_KEY, nextKey(emitter, RANDOM_KEY))
  }
  for (const [name, tensor] of state) {
    // Parameters and statistics are initializers already; they become inputs as well.
    if ([joined, followed].some((one) => one?.vectors.includes(name))) continue
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
    for (const name of parameters) forward.output(`${name}.gradient`, reached.get(name)!)
  let stateSum: string | undefined
  if (options.watch) {
    const shown = new Set(
      slots
        .filter(({ slot }) => optimizer.slots.some(({ name, shows }) => shows && name === slot))
        .map(({ name }) => name),
    )
    for (const name of joined?.shown(optimizer) ?? []) shown.add(name)
    const watched = [...next].filter(([name]) => name !== RANDOM_KEY && !shown.has(name))
    const sum = sumOfAll(
      emitter,
      watched.map(([, value]) => value),
    )
    stateSum = builder.names.fresh('state_sum')
    forward.output(stateSum, sum)
  }
  const whole = forward.model()
  const parts = joined?.split(whole.graph) ?? whole.graph
  const graph = followed?.split(parts) ?? parts
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
      ...(joined?.states(optimizer) ?? []),
      ...(numbers?.states ?? []),
      ...(followed?.states() ?? []),
    ],
    state,
    counts: correct !== undefined,
    gradientNorm,
    stateSum,
  }
}

/** Below this many elements, rows are not worth a node of their own. */
const fewElements = 2 ** 16

/** The sums of a large value's rows, which ONNX Runtime computes with all threads; it sums whole values with one. */
function sumOfRows(emitter: Emitter, value: string): string {
  const shape = emitter.info(value).shape ?? []
  const [rows] = shape
  if (shape.length < 2 || elementCount(shape.map(Number)) < fewElements) return value
  // Updates in products have parameters as matrices: a Reshape takes either.
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
