/** Runs in a browser's worker: computes models on WebGPU. For tests only. */
import * as ort from 'onnxruntime-web/webgpu'
import { webRuntime } from '../src/runtime/onnxruntime.web.ts'
import { received, type SentTensors, sent } from './sent-tensors.ts'

export interface Job {
  /** An ONNX file. */
  readonly model: readonly number[]
  readonly feeds: SentTensors
}
export type Computed = { readonly outputs: SentTensors } | { readonly error: string }

const runtime = webRuntime({ wasmPaths: '/ort/', threads: 1 })

/** By the library. */
async function compute({ model, feeds }: Job): Promise<Computed> {
  try {
    const session = await runtime.createSession(Uint8Array.from(model), { device: 'webgpu' })
    try {
      return { outputs: sent(await session.run(received(feeds))) }
    } finally {
      await session.release()
    }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

/** By ONNX Runtime, with nothing of the library between. */
async function computeAlone({ model, feeds }: Job): Promise<Computed> {
  try {
    const session = await ort.InferenceSession.create(Uint8Array.from(model), {
      executionProviders: ['webgpu'],
      logSeverityLevel: 4,
    })
    const native = Object.entries(received(feeds)).map(([name, { dtype, dims, data }]) => [
      name,
      new ort.Tensor(dtype as 'float32', data as Float32Array, [...dims]),
    ])
    const results = await session.run(Object.fromEntries(native))
    await session.release()
    return { outputs: sent(results as never) }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

Object.assign(globalThis, { compute, computeAlone })
