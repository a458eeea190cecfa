/** ONNX Runtime for this worker; loaded when something is first computed. */
import type { Runtime } from '../../../src/runtime/runtime.ts'

let loading: Promise<Runtime> | undefined

/** The folder of ONNX Runtime's WebAssembly, beside the page. */
const wasmFolder = new URL(import.meta.env.DEV ? '/ort/' : '../ort/', import.meta.url).href

export function runtime(): Promise<Runtime> {
  loading ??= import('../../../src/runtime/web.ts').then(({ webRuntime }) =>
    webRuntime({ wasmPaths: wasmFolder, threads: threads() }),
  )
  return loading
}

/** Threads need cross-origin isolation; beyond four they hardly help networks of this size. */
export const threads = (): number =>
  crossOriginIsolated ? Math.min(4, Math.max(1, navigator.hardwareConcurrency)) : 1
