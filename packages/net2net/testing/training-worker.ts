/** Runs in a browser's worker: makes training steps on the device that it is told. For tests only. */
import { decodeModel } from '../src/onnx/decode.ts'
import { webRuntime } from '../src/runtime/onnxruntime.web.ts'
import type { Device } from '../src/runtime/runtime.ts'
import { formsFor } from '../src/training/run/targets.ts'
import { type Lesson, type Outcome, stepsOf } from './training-steps.ts'

const runtime = webRuntime({ wasmPaths: '/ort/', threads: 1 })

async function learn({
  model,
  device,
  lesson,
}: {
  model: readonly number[]
  device: Device
  lesson: Lesson
}): Promise<Outcome> {
  const forms = formsFor(runtime, device)
  return stepsOf(decodeModel(Uint8Array.from(model)), lesson, runtime, { device }, forms)
}

Object.assign(globalThis, { learn })
