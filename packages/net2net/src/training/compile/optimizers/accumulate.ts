/** Gradients of several batches for one update: an optimizer around an optimizer. */
import { usageError } from '../../../errors.ts'
import type { Emitter } from '../../../operators/contract/gradient.ts'
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
  // Slots of one number stay as they are until the update is due, so that they are computed for each parameter by itself.
  const { scalars: _, ...own } = optimizer
  return {
    ...own,
    settings: { ...optimizer.settings, accumulated: batches },
    slots: [
      ...optimizer.slots,
      { name: 'accumulated', shape: 'parameter', initial: 'zero', grows: 1 },
      { name: 'batches', shape: 'scalar', initial: 'zero', grows: 'not' },
    ],
    gather({ emitter, gradient, slot }) {
      const { add, mul } = arithmetic(emitter)
      const sum = add(slot('accumulated'), gradient)
      const { count, whenDue } = due(emitter, slot('batches'))
      const none = number(emitter, 0)
      return {
        gradient: mul(sum, 1 / batches),
        slots: { accumulated: whenDue(none, sum), batches: whenDue(none, count) },
      }
    },
    update(context) {
      const { emitter, parameter, slot } = context
      const { whenDue } = due(emitter, slot('batches'))
      const update = optimizer.update(context)
      return {
        parameter: whenDue(update.parameter, parameter),
        slots: Object.fromEntries(
          optimizer.slots.flatMap(({ name }) => {
            const value = update.slots[name]
            return value === undefined ? [] : [[name, whenDue(value, slot(name))]]
          }),
        ),
      }
    },
  }

  function due(emitter: Emitter, before: string) {
    const count = arithmetic(emitter).add(before, 1)
    const isDue = emitter.op('Greater', [count, number(emitter, batches - 0.5)])
    const whenDue = (value: string, otherwise: string) =>
      emitter.op('Where', [isDue, value, otherwise])
    return { count, whenDue }
  }
}
