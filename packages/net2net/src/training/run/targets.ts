import { isCpu, type Target } from '../../operators/contract/gradient.ts'
import type { Device, Runtime } from '../../runtime/runtime.ts'

/** The forms of operators that each device computes best. */
const targets: Readonly<Record<Device, Target>> = {
  cpu: 'onnxruntime-cpu',
  webgpu: 'onnxruntime-webgpu',
  cuda: 'standard',
}

export const targetOf = (runtime: Runtime, device: Device = 'cpu'): Target =>
  device === 'cpu' && runtime.webAssembly ? 'onnxruntime-wasm' : targets[device]

/** How steps are compiled for a device. */
export function formsFor(runtime: Runtime, device?: Device) {
  const target = targetOf(runtime, device)
  return { target, joinVectors: isCpu(target) }
}
