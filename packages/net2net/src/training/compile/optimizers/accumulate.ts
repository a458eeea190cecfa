/** Gradients of several batches for one update: an optimizer around an optimizer. */
import { usageError } from '../../../errors.ts'
import { number } from '../losses/counts.ts'
import { arithmetic, type Optimizer } from './optimizer.ts'

/**
 * Updates once every `batches` steps, by the mean of their gradients: as one batch of so many times the size, in the memory of a
 * small one. Adds the slots `accumulated` (the sum so far) and `batches` (how many are in it). What an
 * epoch leaves over is added to in the next one. The learning rate follows the steps, and is that of the last of them.
 *
 * @throws usage for a number of batches that is none
 */
export function accumulated(optimizer: Optimizer, batches: number): Optimizer {
  if (!(Number.isInteger(batches) && batches >= 1))
    throw usageError(
      `Gradients are accumulated over a whole number of batches from 1 on, not ${batches}.`,
    )
  return {
    ...optimizer,
    settings: { ...optimizer.settings, accumulated: batches },
    slots: [
      ...optimizer.slots,
      { name: 'accumulated', shape: 'parameter', initial: 'zero', grows: 1 },
      { name: 'batches', shape: 'scalar', initial: 'zero', grows: 'not' },
    ],
    update(context) {
      const { emitter, gradient, parameter, slot } = context
      const { add, mul } = arithmetic(emitter)
      const sum = add(slot('accumulated'), gradient)
      const count = add(slot('batches'), 1)
      const isDue = emitter.op('Greater', [count, number(emitter, batches - 0.5)])
      const update = optimizer.update({ ...context, gradient: mul(sum, 1 / batches) })
      const whenDue = (value: string, otherwise: string) =>
        emitter.op('Where', [isDue, value, otherwise])
      return {
        parameter: whenDue(update.parameter, parameter),
        slots: {
          ...Object.fromEntries(
            optimizer.slots.map(({ name }) => [name, whenDue(update.slots[name]!, slot(name))]),
          ),
          accumulated: whenDue(number(emitter, 0), sum),
          batches: whenDue(number(emitter, 0), count),
        },
      }
    },
  }
}
