/** ONNX Runtime for this worker; loaded when something is first computed. */
import type { Runtime } from 'net2net/runtime'

let loading: Promise<Runtime> | undefined

/** The folder of ONNX Runtime's WebAssembly, beside the page. */
const wasmFolder = new URL(import.meta.env.DEV ? '/ort/' : '../ort/', import.meta.url).href

/** The number of threads is that of the worker's first call. */
export function runtime(count = threads()): Promise<Runtime> {
  loading ??= import('net2net/runtime').then(({ webRuntime }) =>
    webRuntime({ wasmPaths: wasmFolder, threads: count }),
  )
  return loading
}

/** Threads need cross-origin isolation; beyond four they hardly help networks of this size. */
export const threads = (): number => (crossOriginIsolated ? Math.min(4, cores()) : 1)

export const cores = (): number => Math.max(1, navigator.hardwareConcurrency)
