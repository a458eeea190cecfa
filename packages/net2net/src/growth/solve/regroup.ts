/**
 * Reshape in terms of factors: the factors of all input axes, in row-major order, are dealt out to
 * the output axes. Sizes are matched from the front and from the back; what lies between two
 * matched ends goes to the one axis that is left there. A factor that straddles a border is split.
 */
import type { Dim } from '../../model/model.ts'
import { type Axis, product } from '../../operators/contract/axis.ts'
import type { AxisSystem, Position } from './axis-system.ts'
import { split, unify } from './unify.ts'

/** A wanted output axis: its size, or the very axis where the rule knows it. */
export type Target = Dim | Axis

const isAxis = (target: Target): target is Axis => typeof target === 'object' && target !== null

/** The same elements regrouped to `targets`; undefined where the sizes do not divide. */
export function regroup(
  system: AxisSystem,
  axes: readonly Axis[],
  targets: readonly Target[],
  at: Position,
): readonly Axis[] | undefined {
  const factors = axes.flatMap((axis) => system.factors(axis))
  // A group of one unit each (a depthwise convolution) may come to hold more of them.
  const [only] = factors
  if (
    only?.kind === 'variable' &&
    factors.length === 1 &&
    targets.length === 2 &&
    targets[1] === 1
  ) {
    const size = system.sizeOf(only)
    const parts = size !== null && size === targets[0] ? split(system, only, size, at) : undefined
    if (parts) return parts
  }
  const result: (Axis | undefined)[] = targets.map(() => undefined)

  // Leading axes that plainly stay: same size or symbol on both sides, or both unknown.
  let front = 0
  let back = targets.length
  const takeFront = () => {
    while (front < back) {
      const taken = take(system, factors, targets[front]!, 'front', at)
      if (!taken) return
      result[front++] = taken
    }
  }
  const takeBack = () => {
    while (back > front) {
      const taken = take(system, factors, targets[back - 1]!, 'back', at)
      if (!taken) return
      result[--back] = taken
    }
  }
  takeFront()
  takeBack()
  // Two or more axes of unknown extent: a leading axis (the batch) is taken to stay itself.
  if (back - front > 1 && front === 0 && axes[0] && factors.length > 0) {
    const target = targets[0]!
    const first = system.factors(axes[0])
    if (!isAxis(target) && typeof target !== 'number' && first.length === 1) {
      result[front++] = factors.shift()!
      takeFront()
      takeBack()
    }
  }
  if (back - front > 1) {
    // The unknown ones pair up in order if there are as many on either side.
    if (factors.length !== back - front) return undefined
    for (const factor of factors) {
      const target = targets[front]!
      const size = system.sizeOf(factor)
      const wanted = isAxis(target) ? system.sizeOf(target) : target
      if (typeof wanted === 'number' && size !== null && size !== wanted) return undefined
      result[front++] = isAxis(target) ? unify(system, factor, target, at) : factor
    }
  } else if (back - front === 1) {
    const target = targets[front]!
    const size = system.sizeOf(product(factors))
    if (typeof target === 'number' && size !== null && size !== target) return undefined
    result[front++] = product(factors)
  } else if (factors.length > 0) {
    // Only axes of size one can be left over; they join a neighbour.
    if (system.sizeOf(product(factors)) !== 1 || result.length === 0) return undefined
    result[result.length - 1] = product([result.at(-1)!, ...factors])
  }
  return result.every((axis) => axis !== undefined) ? result : undefined
}

/** Takes the factors of one output axis off one end of the list, if its extent is certain. */
function take(
  system: AxisSystem,
  factors: Axis[],
  target: Target,
  end: 'front' | 'back',
  position: Position,
): Axis | undefined {
  const next = () => (end === 'front' ? factors[0] : factors.at(-1))
  const remove = () => (end === 'front' ? factors.shift() : factors.pop())
  const restore = (axis: Axis) => (end === 'front' ? factors.unshift(axis) : factors.push(axis))
  if (isAxis(target)) return takeAxis(system, factors, target, end, position)
  const first = next()
  if (typeof target === 'string') {
    if (first?.kind !== 'variable' || first.size !== target) return undefined
    remove()
    return first
  }
  if (target === null) return undefined
  if (target === 1) {
    if (first && system.sizeOf(first) === 1) {
      remove()
      return first
    }
    return product([])
  }
  const taken: Axis[] = []
  let left = target
  while (left > 1) {
    const factor = next()
    const size = factor === undefined ? null : system.sizeOf(factor)
    if (factor === undefined || size === null) break
    if (left % size === 0) {
      remove()
      taken.push(factor)
      left /= size
    } else if (size % left === 0) {
      const parts = split(system, factor, end === 'front' ? left : size / left, position)
      if (!parts) break
      remove()
      const [mine, rest] = end === 'front' ? parts : [parts[1], parts[0]]
      restore(rest)
      taken.push(mine)
      left = 1
    } else break
  }
  if (left > 1) {
    for (const axis of taken.reverse()) restore(axis)
    return undefined
  }
  return product(end === 'front' ? taken : taken.reverse())
}

/** Takes exactly the given axis off one end. */
function takeAxis(
  system: AxisSystem,
  factors: Axis[],
  target: Axis,
  end: 'front' | 'back',
  position: Position,
): Axis | undefined {
  const wanted = system.factors(target)
  const at = end === 'front' ? 0 : factors.length - wanted.length
  const matches =
    at >= 0 &&
    wanted.every((axis, i) => {
      const other = factors[at + i]
      return other !== undefined && system.identical(axis, other)
    })
  if (matches) {
    factors.splice(at, wanted.length)
    return target
  }
  const size = system.sizeOf(target)
  if (size === null) return undefined
  const taken = take(system, factors, size, end, position)
  if (!taken) return undefined
  // The rule knows a size; the same size may be composed in another order (a channel shuffle).
  return system.sameSize(taken, target) ? taken : unify(system, taken, target, position)
}
