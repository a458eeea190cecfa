/** The updates of a step: learning rates, gathered and clipped gradients, and the slots' first values. */
import type { Emitter } from '../../operators/contract/gradient.ts'
import { elementCount, float32, Tensor } from '../../tensor/tensor.ts'
import { LEARNING_RATE } from './forward-graph.ts'
import { number } from './losses/counts.ts'
import { clippingOf } from './optimizers/clip.ts'
import type { Optimizer, Slot, Update, UpdateContext } from './optimizers/optimizer.ts'
import type { ParameterGroup } from './parameter-groups.ts'

/** What a group multiplies the learning rate by; undefined for 1. */
export function emitRateFactor(
  emitter: Emitter,
  { rate, mask }: ParameterGroup,
): string | undefined {
  const factors = mask?.factors.map((factor) => emitter.constant(factor)) ?? []
  if (factors.length > 0) return factors.length === 1 ? factors[0]! : emitter.op(mask!.op, factors)
  return rate === 1 ? undefined : number(emitter, rate)
}

/** What the loss's gradient is multiplied by for the updates; undefined where something else reads the gradients, or for 1. */
export function lossScale(
  emitter: Emitter,
  options: {
    readonly optimizer: Optimizer
    readonly clipNorm?: number | undefined
    readonly gradients?: boolean | undefined
  },
): string | undefined {
  const { update, gather } = options.optimizer
  const { gradientScale: scale = 1 } = update
  const isRead = options.clipNorm !== undefined || options.gradients || gather !== undefined
  if (isRead || scale === 1) return undefined
  return scale === 'learning-rate' ? LEARNING_RATE : number(emitter, scale)
}

/** One update, before its gradient is clipped. */
export interface PendingUpdate {
  readonly context: UpdateContext
  /** The next state, by the names of what it replaces. */
  next(update: Update): Iterable<readonly [string, string]>
}

/** Emits all updates: what gradients are gathered into is clipped by its common norm. */
export function emitUpdates(
  emitter: Emitter,
  optimizer: Optimizer,
  updates: readonly PendingUpdate[],
  limit: number | undefined,
): { readonly next: ReadonlyMap<string, string>; readonly norm: string | undefined } {
  const gathered = updates.map(
    ({ context }) => optimizer.gather?.(context) ?? { gradient: context.gradient, slots: {} },
  )
  const all = gathered.map(({ gradient }) => gradient)
  const clipping = limit === undefined ? undefined : clippingOf(emitter, all, limit)
  const next = new Map<string, string>()
  for (const [i, { context, next: nextOf }] of updates.entries()) {
    const { gradient: whole, slots } = gathered[i]!
    const gradient = clipping ? emitter.op('Mul', [whole, clipping.factor]) : whole
    const update = optimizer.update({ ...context, gradient })
    const all = { ...update, slots: { ...update.slots, ...slots } }
    for (const [name, value] of nextOf(all)) next.set(name, value)
  }
  return { next, norm: clipping?.norm }
}

/** A slot's value before the first step. */
export function initialSlot({ shape, initial }: Slot, parameter: Tensor): Tensor {
  if (initial === 'parameter') return parameter
  const dims = slotDims(shape, parameter.dims)
  const count = elementCount(dims)
  return parameter.dtype === 'float64'
    ? new Tensor('float64', dims, new Float64Array(count))
    : float32(dims, new Float32Array(count))
}

function slotDims(shape: Slot['shape'], dims: readonly number[]): readonly number[] {
  if (shape === 'parameter') return dims
  return shape === 'scalar' ? [] : dims.with(shape === 'rows' ? -1 : -2, 1)
}
