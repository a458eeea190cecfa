/** ONNX Runtime in the browser: WebAssembly, and WebGPU where the browser has it. */
import { loadError, type Ort, type OrtBuild, ortRuntime } from './ort.ts'
import type { Runtime, SessionOptions } from './runtime.ts'

export interface WebRuntimeOptions {
  /** Folder (URL) of the .wasm and .mjs files of onnxruntime-web; default: beside the script. */
  readonly wasmPaths?: string
  /** WebAssembly threads; more than one needs cross-origin isolation (COOP and COEP headers). */
  readonly threads?: number
}

type WebOrt = Ort & Pick<typeof import('onnxruntime-web'), 'env'>

/**
 * ONNX Runtime in this browser. It is loaded with the first session, and the settings hold for the whole page: call this
 * once. WebGPU has a build of its own, which is loaded with the first session on `webgpu`.
 */
export function webRuntime({ wasmPaths, threads }: WebRuntimeOptions = {}): Runtime {
  let version = ''
  const describe = () => `onnxruntime-web ${version}`.trim()
  const build = (load: () => Promise<WebOrt>, count: number | undefined) =>
    ortRuntime({
      ...common,
      describe,
      async load() {
        const ort = await load()
        version = ort.env.versions.web ?? ''
        if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths
        if (count !== undefined) ort.env.wasm.numThreads = count
        return ort
      },
    })
  // The build for the CPU alone is half as large as the package's default one.
  const cpu = build(async () => {
    try {
      return await import('onnxruntime-web/wasm')
    } catch (cause) {
      throw loadError('onnxruntime-web', cause)
    }
  }, threads)
  const webgpu = build(async () => {
    try {
      return await import('onnxruntime-web/webgpu')
    } catch (cause) {
      throw loadError('onnxruntime-web', cause)
    }
    // Little is left to the CPU.
  }, 1)
  return {
    get description() {
      return describe()
    },
    webAssembly: true,
    createSession: (model, options) =>
      (options?.device === 'webgpu' ? webgpu : cpu).createSession(model, options),
  }
}

const common: Omit<OrtBuild, 'load' | 'describe'> = {
  // The web build leaves buffers in JavaScript's memory untouched.
  copiesOutputs: true,
  read: async (address) => new Uint8Array(await (await fetch(address)).arrayBuffer()),
  options: ({ device = 'cpu', optimization }: SessionOptions) => ({
    // Alone, so that a missing adapter is an error; single nodes may still run on the CPU, and some must.
    executionProviders: [device === 'webgpu' ? 'webgpu' : 'wasm'],
    ...(optimization === undefined ? {} : { graphOptimizationLevel: optimization }),
    logSeverityLevel: 4,
  }),
  deviceHint: ({ device }, reason) =>
    device === 'webgpu' && /no available backend|get GPU adapter|WebGPU is not/i.test(reason)
      ? 'This browser has no WebGPU adapter; choose the CPU.'
      : undefined,
}

/** What computes where no other runtime is given. */
export const defaultRuntime: Runtime = webRuntime()
