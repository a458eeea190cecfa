/** What a step makes of its state: of parameters with their slots, and of running statistics. */
import type { Model } from '../../model/model.ts'
import { float32, materialize, type Tensor } from '../../tensor/tensor.ts'
import { freshPlateau, rateAt } from '../schedules.ts'
import { type ForwardGraph, LEARNING_RATE } from './forward-graph.ts'
import { hiddenParameters } from './hidden-matrices.ts'
import { JoinedScalars } from './joined-scalars.ts'
import { isVector, JoinedVectors } from './joined-vectors.ts'
import { type Optimizer, type Slot, slotName, slotsOf } from './optimizers/optimizer.ts'
import { type GroupOptions, parameterGroups } from './parameter-groups.ts'
import { emitRateFactor, emitUpdates, initialSlot, type PendingUpdate } from './updates.ts'

/** What the options of a step say of its updates. */
interface UpdateOptions extends GroupOptions {
  readonly optimizer: Optimizer
  readonly joinVectors?: boolean | undefined
  readonly clipNorm?: number | undefined
}

export interface SlotState {
  /** `PARAMETER.SLOT`. */
  readonly name: string
  readonly parameter: string
  readonly slot: Slot['name']
}

/** A graph whose gradients are known. */
interface Differentiated {
  /** The model before it was prepared: groups of parameters are told by its layers. */
  readonly model: Model
  /** What the forward graph was made of. */
  readonly source: Model
  readonly forward: ForwardGraph
  /** Parameters → their gradients. */
  readonly gradients: ReadonlyMap<string, string>
  /** Have these been multiplied by the `gradientScale` of the optimizer's rule? */
  readonly isScaled: boolean
}

interface NextState {
  /** At the start. */
  readonly state: ReadonlyMap<string, Tensor>
  /** Names of state → the values that it has next. */
  readonly next: ReadonlyMap<string, string>
  /** What has one input and one output together. */
  readonly vectors: JoinedVectors | undefined
}

export interface UpdatedParameters extends NextState {
  readonly parameters: readonly string[]
  readonly slots: readonly SlotState[]
  readonly scalars: JoinedScalars | undefined
  /** The norm of all gradients, where they are clipped. */
  readonly norm: string | undefined
}

/** Emits the updates of all parameters that have a gradient, and declares their slots. */
export function updateParameters(
  { model, source, forward, gradients, isScaled }: Differentiated,
  options: UpdateOptions,
): UpdatedParameters {
  const { builder, emitter } = forward
  const { optimizer } = options
  const parameters = forward.variables.filter((name) => gradients.has(name))
  const groupOf = parameterGroups(model, parameters, options)
  const { vectors, scalars } = joinedState(forward, parameters, options)
  const hidden = hiddenParameters(
    source.graph.nodes,
    forward.prediction,
    parameters,
    source.graph.initializers,
    (name) => emitter.info(name),
  )
  const state = new Map<string, Tensor>()
  const slots: SlotState[] = []
  const updates: PendingUpdate[] = []
  for (const parameter of parameters) {
    const tensor = materialize(source.graph.initializers.get(parameter)!.tensor)
    state.set(parameter, tensor)
    const isJoined = vectors?.vectors.includes(parameter) ?? false
    const kind = { dims: tensor.dims, isHidden: hidden.has(parameter) }
    const isMatrix = optimizer.isMatrix?.(kind) ?? false
    const ownSlots = slotsOf(optimizer, isMatrix)
    for (const slot of ownSlots) {
      const name = slotName(parameter, slot.name)
      builder.names.claim(name)
      slots.push({ name, parameter, slot: slot.name })
      const value = initialSlot(slot, tensor)
      state.set(name, value)
      if (isJoined || (scalars && slot.shape === 'scalar')) continue
      builder.initializer(name, value)
      builder.input(name, value.dtype, value.dims)
      emitter.declare(name, { dtype: value.dtype, shape: value.dims })
    }
    if (isJoined) continue
    const group = groupOf(parameter, tensor)
    const gradient = gradients.get(parameter)!
    const factor = emitRateFactor(emitter, group)
    const times = (value: string) =>
      factor === undefined ? value : emitter.op('Mul', [value, factor])
    const holdsRate = isScaled && optimizer.update.gradientScale === 'learning-rate'
    updates.push({
      context: {
        emitter,
        parameter,
        gradient: holdsRate ? times(gradient) : gradient,
        isScaled,
        learningRate: times(LEARNING_RATE),
        isMatrix,
        decays: group.decays,
        slot: (name) => slotName(parameter, name),
        ...(scalars && { scalars: scalars.of(parameter) }),
      },
      next: (update) => [
        [parameter, update.parameter],
        ...ownSlots
          .filter(({ shape }) => !scalars || shape !== 'scalar')
          .map(({ name }) => [slotName(parameter, name), update.slots[name]!] as const),
      ],
    })
  }
  if (vectors)
    updates.push({
      context: { ...vectors.context(optimizer, gradients), isScaled },
      next: (update) => vectors.next(optimizer, update),
    })
  const { next, norm } = emitUpdates(emitter, optimizer, updates, options.clipNorm)
  return {
    ...{ parameters, slots, state, vectors, scalars, norm },
    next: new Map([...next, ...(scalars?.next ?? [])]),
  }
}

export function declareLearningRate(
  { builder, emitter }: ForwardGraph,
  { learningRate }: Optimizer,
): void {
  builder.input(LEARNING_RATE, 'float32', [])
  emitter.declare(LEARNING_RATE, { dtype: 'float32', shape: [] })
  const first = rateAt(learningRate, { step: 0, epoch: 0, plateau: freshPlateau })
  builder.initializer(LEARNING_RATE, float32([], [first]))
}

/** Which parameters are updated together, and which slots that are numbers. */
function joinedState(
  { builder, emitter }: ForwardGraph,
  parameters: readonly string[],
  { joinVectors, rates, decayOnly, optimizer }: UpdateOptions,
) {
  // What is joined has one update.
  const isJoinable = joinVectors && !rates && !decayOnly && !optimizer.isWhole
  const joined = isJoinable ? parameters.filter((name) => isVector(emitter, name)) : []
  const vectors = joined.length > 1 ? new JoinedVectors(builder, emitter, joined) : undefined
  const others = parameters.filter((name) => !vectors?.vectors.includes(name))
  const scalars =
    joinVectors && optimizer.scalars && others.length > 1
      ? new JoinedScalars(builder, emitter, optimizer, others)
      : undefined
  return { vectors, scalars }
}

/** Emits the averages that running statistics become. */
export function followStatistics(
  source: Model,
  forward: ForwardGraph,
  joinVectors: boolean,
): NextState {
  const { averages, builder, emitter } = forward
  const state = new Map(
    [...averages.keys()].map((name) => [
      name,
      materialize(source.graph.initializers.get(name)!.tensor),
    ]),
  )
  const together = joinVectors
    ? [...averages].flatMap(([name, { old }]) =>
        old === name && isVector(emitter, name) ? [name] : [],
      )
    : []
  const vectors =
    together.length > 1 ? new JoinedVectors(builder, emitter, together, 'statistics') : undefined
  const next = new Map<string, string>()
  if (vectors) next.set(vectors.name, vectors.follow(averages))
  for (const name of averages.keys())
    if (!vectors?.vectors.includes(name)) next.set(name, forward.average(name))
  return { state, next, vectors }
}
