/** Which device trains: WebGPU where the browser has it and it is faster, the CPU otherwise. */
import type { ChosenDevice, DeviceSetting } from './protocol.ts'

/** What this browser has for WebGPU, or why nothing. */
export type Adapter =
  | { readonly name: string; readonly software: boolean }
  | { readonly missing: string }

export interface DeviceQuestion {
  readonly setting: DeviceSetting
  readonly adapter: () => Promise<Adapter>
  /**
   * Milliseconds of a training step; `goOn` is asked after every step. Nothing of it counts as
   * training.
   */
  readonly measure: (
    device: ChosenDevice['device'],
    goOn: (milliseconds: number) => boolean,
  ) => Promise<number>
  /** What WebGPU computes otherwise than the CPU, if anything: then it is not taken. */
  readonly differs?: () => Promise<string | undefined>
  /** For how many milliseconds an answer of WebGPU is waited for; default 15,000, and 60,000 where it is chosen. */
  readonly patience?: number
}

/** Never throws: what cannot be had or fails is the CPU's reason. */
export async function chooseDevice(question: DeviceQuestion): Promise<ChosenDevice> {
  const { setting, measure, differs } = question
  const { patience = setting === 'webgpu' ? 60_000 : 15_000 } = question
  if (setting === 'cpu') return onCpu('as chosen')
  const adapter = await question
    .adapter()
    .catch((error): Adapter => ({ missing: `WebGPU failed: ${reasonOf(error)}` }))
  if ('missing' in adapter) return onCpu(adapter.missing)
  if (setting === 'auto' && adapter.software)
    return onCpu(`WebGPU here is software only (${adapter.name})`)
  try {
    const silent = `WebGPU (${adapter.name}) gave no answer in time`
    if (differs) {
      const difference = await within(
        patience,
        differs().then((found) => found ?? 'none'),
      )
      if (difference === undefined) return onCpu(silent)
      if (difference !== 'none') return onCpu(`WebGPU computes something else: ${difference}`)
    }
    if (setting === 'webgpu')
      return { device: 'webgpu', reason: `On WebGPU (${adapter.name}): as chosen.` }
    const cpu = await measure('cpu', () => true)
    const start = performance.now()
    // The first steps compile shaders; after that, what is far behind stays so.
    let steps = 0
    const worthwhile = (milliseconds: number) =>
      performance.now() - start < patience && (++steps < 3 || milliseconds < 10 * cpu)
    const webgpu = await within(patience, measure('webgpu', worthwhile))
    if (webgpu === undefined) return onCpu(silent)
    const times = `${figure(webgpu)} ms a step on WebGPU (${adapter.name}), ${figure(cpu)} ms on the CPU`
    return webgpu < cpu
      ? { device: 'webgpu', reason: `On WebGPU: ${times}.` }
      : onCpu(`it is faster here: ${times}`)
  } catch (error) {
    return onCpu(`WebGPU failed: ${reasonOf(error)}`)
  }
}

/**
 * Makes an attempt, and a second one on the CPU where WebGPU fails. What fails on the CPU too fails
 * with the CPU's reason.
 */
export async function orOnCpu<T>(
  chosen: ChosenDevice,
  attempt: (chosen: ChosenDevice) => Promise<T>,
  tell: (instead: ChosenDevice) => void,
): Promise<T> {
  try {
    return await attempt(chosen)
  } catch (error) {
    if (chosen.device === 'cpu') throw error
    const instead = onCpu(`WebGPU failed and this network started again: ${reasonOf(error)}`)
    tell(instead)
    return attempt(instead)
  }
}

const onCpu = (why: string): ChosenDevice => ({
  device: 'cpu',
  reason: `On the CPU: ${why.replace(/\.$/, '')}.`,
})

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

const figure = (milliseconds: number) => String(Number(milliseconds.toPrecision(2)))

/** undefined where the answer takes longer. */
async function within<T>(milliseconds: number, answer: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The part of WebGPU's interface that is asked here. */
interface Gpu {
  requestAdapter(): Promise<{
    readonly isFallbackAdapter?: boolean
    readonly info?: {
      readonly vendor?: string
      readonly architecture?: string
      readonly isFallbackAdapter?: boolean
    }
  } | null>
}

/** This browser's adapter. */
export async function findAdapter(): Promise<Adapter> {
  const { gpu } = navigator as { readonly gpu?: Gpu }
  if (gpu === undefined) return { missing: 'this browser has no WebGPU' }
  const adapter = await gpu.requestAdapter()
  if (adapter === null) return { missing: 'this browser finds no adapter for WebGPU' }
  const { vendor = '', architecture = '', isFallbackAdapter } = adapter.info ?? {}
  return {
    name: [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter',
    software:
      (isFallbackAdapter ?? adapter.isFallbackAdapter ?? false) ||
      /swiftshader|llvmpipe/i.test(architecture),
  }
}
