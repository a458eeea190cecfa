/**
 * Kernels that can be larger, and what their new taps would gain. The taps are zero and are there from the first step on, so all
 * kernels can be larger at once: each gradient is as it would be alone.
 */
import type { TrainingData } from '../data/samples.ts'
import { Net2NetError } from '../errors.ts'
import {
  applyPlan,
  hasKernel,
  type KernelChange,
  type Kernels,
  planStep,
  type Solution,
} from '../growth/index.ts'
import { gradientMeter, type SamplingOptions } from './gradients.ts'
import { type Candidate, gainOf, type Round } from './rounds.ts'

/** One layer with two taps more along each axis of its kernel. */
export interface Enlargement extends Candidate {
  readonly kernel: Kernels
  readonly layer: string
}

/** Every layer whose kernel can be larger, in the order of the network. */
export function enlargementsOf(solution: Solution): readonly Enlargement[] {
  return solution.facts.layers.filter(hasKernel).flatMap(({ name, weightDims }): Enlargement[] => {
    const kernel = { [name]: weightDims.slice(2).map((taps) => taps + 2) }
    try {
      const step = { kernel }
      return [{ step, kernel, layer: name, layers: [name], plan: planStep(solution, step) }]
    } catch (error) {
      // What cannot be planned is no growth that could be made.
      if (error instanceof Net2NetError && error.kind !== 'internal') return []
      throw error
    }
  })
}

/** How the gains of new taps are measured: of all at once, but for layers that share a kernel. */
export const enlargementRounds = (
  solution: Solution,
  enlargements: readonly Enlargement[],
  data: TrainingData,
  options: SamplingOptions,
): readonly Round<Enlargement>[] =>
  apart(enlargements).map((members) => ({
    members,
    passes: 1,
    async measure(some) {
      const kernel = Object.assign({}, ...some.map((each) => each.kernel)) as Kernels
      const plan = planStep(solution, { kernel })
      const changes = some.map(
        ({ layer }) =>
          plan.kernels!.find(({ layers }) => layers.some(({ name }) => name === layer))!,
      )
      const names = changes.map(({ to }) => to)
      const meter = await gradientMeter(applyPlan(solution.model, plan), data, names, options)
      try {
        const { gradients } = await meter.measure()
        return changes.map((change) => gainOf(outsideSquared(change, gradients.get(change.to))))
      } finally {
        await meter.release()
      }
    },
  }))

/** Sets of layers of which no two share a kernel. */
function apart(enlargements: readonly Enlargement[]): readonly (readonly Enlargement[])[] {
  const sets: Enlargement[][] = []
  const constantsOf = ({ plan }: Enlargement) => (plan.kernels ?? []).map(({ name }) => name)
  for (const one of enlargements) {
    const own = constantsOf(one)
    const set = sets.find((members) =>
      members.every((other) => !constantsOf(other).some((name) => own.includes(name))),
    )
    if (set) set.push(one)
    else sets.push([one])
  }
  return sets
}

/** The sum of squares over the border that a change puts around a kernel. */
function outsideSquared(
  { before, border }: KernelChange,
  gradient: Float64Array | undefined,
): number {
  const width = before.map((_, axis) => border[axis - 2] ?? 0)
  const after = before.map((size, axis) => size + 2 * width[axis]!)
  let sum = 0
  gradient?.forEach((value, i) => {
    let rest = i
    let isNew = false
    for (let axis = after.length - 1; axis >= 2; axis--) {
      const at = (rest % after[axis]!) - width[axis]!
      rest = Math.floor(rest / after[axis]!)
      if (at < 0 || at >= before[axis]!) isNew = true
    }
    if (isNew) sum += value * value
  })
  return sum
}
