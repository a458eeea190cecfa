/** Runs in the browser that browser.ts starts: makes training steps and tells how long they took. */
import { webRuntime } from '../packages/net2net/src/runtime/onnxruntime.web.ts'
import type { Stepper } from '../packages/net2net/src/training/run/stepper.ts'
import { drawBatch, type Kind, stepperOf } from './experiment-step.ts'

export interface Question {
  readonly kind: Kind
  readonly batch: number
  readonly threads: number
  readonly steps: number
}
let stepper: Promise<Stepper> | undefined

/** Milliseconds of each step. */
async function stepTimes({ kind, batch, threads, steps }: Question): Promise<readonly number[]> {
  stepper ??= stepperOf(kind, webRuntime({ wasmPaths: '/ort/', threads }), threads)
  const own = await stepper
  const images = drawBatch(batch)
  const times: number[] = []
  for (let step = 0; step < steps; step++) {
    const start = performance.now()
    await own.step(images, 0.01)
    times.push(performance.now() - start)
  }
  return times
}

Object.assign(globalThis, { stepTimes })
