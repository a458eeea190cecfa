/** ONNX Runtime in Node. A run is synchronous native code: it blocks the event loop. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { usageError } from '../errors.ts'
import { loadError, ortRuntime } from './ort.ts'
import type { Runtime, SessionOptions } from './runtime.ts'

const require = createRequire(import.meta.url)

/** ONNX Runtime on this machine: CPU, WebGPU (needs a Vulkan loader on Linux) or CUDA. */
export const nodeRuntime: Runtime = ortRuntime({
  describe() {
    try {
      const { version } = require('onnxruntime-node/package.json') as { version: string }
      return `onnxruntime-node ${version}`
    } catch {
      return 'onnxruntime-node'
    }
  },
  blockedImages: true,
  copiesInPlaceOutputs: true,
  halfFloatsAsBits: true,
  async load() {
    try {
      const ort = await import('onnxruntime-node')
      // Errors come back as exceptions: nothing is to be printed beside them.
      ort.env.logLevel = 'fatal'
      return ort
    } catch (cause) {
      throw loadError('onnxruntime-node', cause)
    }
  },
  read: (path) => readFile(path),
  options: ({ device = 'cpu', threads, optimization }: SessionOptions) => ({
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    ...(threads === undefined ? {} : { intraOpNumThreads: allowedThreads(threads) }),
    ...(optimization === undefined ? {} : { graphOptimizationLevel: optimization }),
    logSeverityLevel: 4,
    // Idle threads look for work for 100 µs before they sleep: to wake one costs as much as a small kernel, and more on a virtual machine.
    // Longer gains little, and takes the cores from other processes (docs/lab/steps-on-the-cpu.md has the figures).
    // Slots of units that have died decay into denormal numbers, which processors are slow at. ONNX Runtime sets this for the thread
    // that creates the first session, too: JavaScript takes such numbers for zero there, from then on.
    extra: { session: { intra_op: { spin_duration_us: '100' }, set_denormal_as_zero: '1' } },
  }),
  deviceHint({ device }, reason) {
    if (device === 'webgpu' && /webgpu|adapter|vulkan/i.test(reason))
      return 'WebGPU needs a GPU with its driver and, on Linux, the Vulkan loader (Debian: apt install libvulkan1); or use --device cpu.'
    if (device === 'cuda' && /cuda|provider|shared library/i.test(reason))
      return 'CUDA needs an NVIDIA GPU with its driver, CUDA 12, cuDNN 9 and the libraries that "npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12" fetches; or use --device cpu.'
    return undefined
  },
})

/** What computes where no other runtime is given. */
export const defaultRuntime: Runtime = nodeRuntime

/** More threads than this only cost: each takes memory, and a hundred thousand all of it. */
const maxThreads = (): number => 4 * availableParallelism()

function allowedThreads(threads: number): number {
  if (Number.isSafeInteger(threads) && threads >= 1 && threads <= maxThreads()) return threads
  throw usageError(
    `threads must be a whole number from 1 to ${maxThreads()} (four for each core of this machine), not ${threads}.`,
    { where: 'threads' },
  )
}
