/** How long a training step takes on a device. */

import type { Batch } from '../../data/samples.ts'
import type { Model } from '../../model/model.ts'
import type { Runtime, SessionOptions } from '../../runtime/runtime.ts'
import { buildStep, type StepOptions } from '../compile/step-graph.ts'
import { createStepper } from './create-stepper.ts'
import { formsFor } from './targets.ts'

export interface MeasureOptions extends Omit<StepOptions, 'joinVectors' | 'target'> {
  readonly runtime: Runtime
  readonly session?: SessionOptions
  /** Steps before the clock starts; default 3. */
  readonly warmUp?: number
  /** Steps that are timed; default 5. */
  readonly timed?: number
  /** Says after each step, also of the warm-up, whether there is more to learn. */
  readonly goOn?: (milliseconds: number) => boolean
}

/**
 * The median of a few steps with one batch, in milliseconds; of the last step alone where `goOn`
 * ends the measurement before any was timed. The model stays as it is.
 */
export async function measureStep(
  model: Model,
  batch: Batch,
  { runtime, session = {}, warmUp = 3, timed = 5, goOn = () => true, ...rest }: MeasureOptions,
): Promise<number> {
  const graph = buildStep(model, { ...rest, ...formsFor(runtime, session.device) })
  const stepper = await createStepper(graph, graph.state, runtime, session)
  try {
    const times: number[] = []
    let last = Number.NaN
    for (let step = 0; step < warmUp + timed; step++) {
      const start = performance.now()
      await stepper.step(batch, 0)
      last = performance.now() - start
      if (step >= warmUp) times.push(last)
      if (!goOn(last)) break
    }
    times.sort((a, b) => a - b)
    return times[times.length >> 1] ?? last
  } finally {
    await stepper.release()
  }
}
