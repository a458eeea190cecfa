/** What some parameters do differently from the others: their learning rate, and whether their weights decay. */
import { usageError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { matchingParameters } from './trainable.ts'

export interface GroupOptions {
  /**
   * Factors on the learning rate, by names or patterns (`conv1*`) of parameters or layers. The last one that matches
   * counts; what none matches has the learning rate itself.
   */
  readonly rates?: Readonly<Record<string, number>> | undefined
  /**
   * Which parameters weight decay shrinks: names or patterns, or `matrices` for those with at least two axes longer than 1, which leaves
   * biases and the vectors of norms alone. Default: all.
   */
  readonly decayOnly?: readonly string[] | 'matrices' | undefined
}

export interface ParameterGroup {
  /** What the learning rate is multiplied by. */
  readonly rate: number
  readonly decays: boolean
}

/** @throws usage for a pattern that matches nothing, or a factor that is none */
export function parameterGroups(
  model: Model,
  parameters: readonly string[],
  { rates = {}, decayOnly }: GroupOptions,
): (parameter: string, value: Tensor) => ParameterGroup {
  const factors = new Map<string, number>()
  for (const [pattern, rate] of Object.entries(rates)) {
    if (!(rate >= 0 && Number.isFinite(rate)))
      throw usageError(
        `The factor of the learning rate of "${pattern}" must be a number that is not negative, not ${rate}.`,
      )
    for (const name of matchingParameters(model, parameters, [pattern])) factors.set(name, rate)
  }
  const decaying = Array.isArray(decayOnly)
    ? matchingParameters(model, parameters, decayOnly)
    : undefined
  return (parameter, { dims }) => ({
    rate: factors.get(parameter) ?? 1,
    decays:
      decayOnly === 'matrices'
        ? dims.filter((dim) => dim > 1).length >= 2
        : (decaying?.has(parameter) ?? true),
  })
}
