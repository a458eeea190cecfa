/** What computes: ONNX Runtime in a browser (and, with onnxruntime-web, wherever WebAssembly runs). */
import * as kind from '../arguments.ts'
import { type WebRuntimeOptions, webRuntime as web } from './onnxruntime.web.ts'

export type { WebRuntimeOptions } from './onnxruntime.web.ts'
export type {
  Device,
  Feeds,
  Runtime,
  Session,
  SessionOptions,
  SessionValue,
} from './runtime.ts'

/**
 * ONNX Runtime in this browser (package onnxruntime-web): WebAssembly, and WebGPU for sessions with `device: 'webgpu'`. It
 * is loaded with the first session. The settings hold for the whole page: call it once.
 *
 * ```ts
 * const runtime = webRuntime({ wasmPaths: '/ort/', threads: 1 })
 * ```
 */
export const webRuntime = kind.checked('webRuntime', web, {
  options: kind.options<WebRuntimeOptions>({ wasmPaths: kind.text, threads: kind.number }),
})
