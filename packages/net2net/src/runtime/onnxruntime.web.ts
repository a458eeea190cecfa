/** ONNX Runtime in the browser: WebAssembly, and WebGPU where the browser has it. */
import * as ort from 'onnxruntime-web'
import { type OrtBuild, ortRuntime } from './ort.ts'
import type { Runtime, SessionOptions } from './runtime.ts'

export interface WebRuntimeOptions {
  /** Folder (URL) of the .wasm and .mjs files of onnxruntime-web; default: beside the script. */
  readonly wasmPaths?: string
  /** WebAssembly threads; more than one needs cross-origin isolation (COOP and COEP headers). */
  readonly threads?: number
}

/**
 * ONNX Runtime in this browser. The settings hold for the whole page: call it once. WebGPU has a
 * build of its own, which is loaded with the first session on `webgpu`.
 */
export function webRuntime({ wasmPaths, threads }: WebRuntimeOptions = {}): Runtime {
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths
  if (threads !== undefined) ort.env.wasm.numThreads = threads
  const cpu = ortRuntime({ ...common, load: async () => ort })
  const webgpu = ortRuntime({
    ...common,
    async load() {
      const gpu = await import('onnxruntime-web/webgpu')
      if (wasmPaths !== undefined) gpu.env.wasm.wasmPaths = wasmPaths
      // Hardly anything is left to the CPU.
      gpu.env.wasm.numThreads = 1
      return gpu
    },
  })
  return {
    description: cpu.description,
    webAssembly: true,
    createSession: (model, options) =>
      (options?.device === 'webgpu' ? webgpu : cpu).createSession(model, options),
  }
}

const common: Omit<OrtBuild, 'load'> = {
  description: `onnxruntime-web ${ort.env.versions.web ?? ''}`.trim(),
  // The web build leaves buffers in JavaScript's memory untouched.
  copiesOutputs: true,
  options: ({ device = 'cpu', optimization }: SessionOptions) => ({
    // Alone, so that a missing adapter is an error; single nodes may still run on the CPU.
    executionProviders: [device === 'webgpu' ? 'webgpu' : 'wasm'],
    ...(optimization === undefined ? {} : { graphOptimizationLevel: optimization }),
    logSeverityLevel: 4,
  }),
  deviceHint: ({ device }, reason) =>
    device === 'webgpu' && /webgpu|adapter|backend/i.test(reason)
      ? 'This browser has no WebGPU adapter; choose the CPU.'
      : undefined,
}
