import type { Target } from '../operators/operator.ts'
import type { Device } from '../runtime/runtime.ts'

/** The forms of operators that each device computes best. */
export const targets: Readonly<Record<Device, Target>> = {
  cpu: 'onnxruntime-cpu',
  webgpu: 'onnxruntime-webgpu',
  cuda: 'standard',
}
