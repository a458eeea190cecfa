/** ONNX Runtime in the browser: WebAssembly, and WebGPU where the browser has it. */
import * as ort from 'onnxruntime-web'
import { ortRuntime } from './ort.ts'
import type { Runtime, SessionOptions } from './runtime.ts'

export interface WebRuntimeOptions {
  /** Folder (URL) of the .wasm and .mjs files of onnxruntime-web; default: beside the script. */
  readonly wasmPaths?: string
  /** WebAssembly threads; more than one needs cross-origin isolation (COOP and COEP headers). */
  readonly threads?: number
}

/** ONNX Runtime in this browser. The settings hold for the whole page: call it once. */
export function webRuntime({ wasmPaths, threads }: WebRuntimeOptions = {}): Runtime {
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths
  if (threads !== undefined) ort.env.wasm.numThreads = threads
  return ortRuntime({
    description: `onnxruntime-web ${ort.env.versions.web ?? ''}`.trim(),
    load: async () => ort,
    // The web build leaves buffers in JavaScript's memory untouched.
    copiesOutputs: true,
    options: ({ device = 'cpu', optimization }: SessionOptions) => ({
      executionProviders: device === 'webgpu' ? ['webgpu', 'wasm'] : ['wasm'],
      ...(optimization === undefined ? {} : { graphOptimizationLevel: optimization }),
      logSeverityLevel: 4,
    }),
    deviceHint: ({ device }, reason) =>
      device === 'webgpu' && /webgpu|adapter|backend/i.test(reason)
        ? 'This browser has no WebGPU adapter; choose the CPU.'
        : undefined,
  })
}
