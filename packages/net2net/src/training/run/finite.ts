/** Finds and names the number that went wrong. */

import type { Batch } from '../../data/samples.ts'
import { internalError, type Net2NetError, usageError } from '../../errors.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { firstNonFinite } from './state.ts'
import type { Stepper } from './stepper.ts'

const lowerTheRate = {
  hint: 'Lower the learning rate, clip the gradients, or look for bad values in the data.',
}

/** Which number went wrong: one of the data, of the state before the step, or the loss itself. */
export function notFinite(stepper: Stepper, batch: Batch, step: number): Net2NetError {
  for (const [name, tensor] of Object.entries({ ...batch.inputs, target: batch.target })) {
    const at = firstNonFinite(tensor)
    if (at >= 0)
      return usageError(
        `The data have a value that is NaN or infinite: element ${at} of "${name}" in the batch of step ${step}.`,
        { where: name },
      )
  }
  for (const [name, tensor] of stepper.previous() ?? []) {
    const at = firstNonFinite(tensor)
    if (at >= 0) return diverged(name, at, step)
  }
  return internalError(`The loss became NaN or infinite in step ${step}.`, {
    where: 'loss',
    ...lowerTheRate,
  })
}

/** Throws an error that names the first tensor that is not finite. */
export function assertFinite(tensors: ReadonlyMap<string, Tensor>, step: number): void {
  for (const [name, tensor] of tensors) {
    const at = firstNonFinite(tensor)
    if (at >= 0) throw diverged(name, at, step)
  }
}

const diverged = (name: string, at: number, step: number) =>
  internalError(
    `Training diverged: "${name}" has become NaN or infinite (element ${at}) by step ${step}.`,
    { where: name, ...lowerTheRate },
  )
