/** What is chosen on the Grow tab as steps of growth. */
import type { GrowthStep } from 'net2net'
import type { GrowSettings } from './protocol.ts'

/** Widening first. Every choice is written down, so that defaults of later versions change nothing. */
export function stepsOf(settings: GrowSettings): readonly GrowthStep[] {
  const { widths, deepen, block, init, deepInit, noise, seed, kernel, more } = settings
  const widen = Object.fromEntries(widths)
  const steps: GrowthStep[] = []
  if (widths.size > 0)
    steps.push(init === 'net2wider' ? { widen, init, noise, seed } : { widen, init, seed })
  if (deepen.length > 0)
    steps.push({
      deepen,
      init: deepInit,
      block,
      ...(kernel !== undefined && { kernelSize: kernel }),
      seed,
    })
  return [...steps, ...more]
}

const usual: GrowSettings = {
  widths: new Map(),
  deepen: [],
  init: 'net2wider',
  block: 'identity',
  deepInit: 'net2deeper',
  kernel: undefined,
  noise: 'zero-sum',
  seed: 0,
  more: [],
}

/**
 * Steps as what is chosen on the Grow tab: those that its controls can say, and `more`, which only the recipe says. The other way round as
 * `stepsOf`: these settings give steps that grow the same.
 */
export function settingsOf(steps: readonly GrowthStep[]): GrowSettings {
  let settings = usual
  let rest = steps
  const [first] = rest
  if (first && 'widen' in first && !first.plan && first.noiseSize === undefined) {
    const widths = Object.entries(first.widen).map(
      ([name, width]) => [name, Number(width)] as const,
    )
    if (widths.every(([, width]) => Number.isInteger(width))) {
      const { init = 'net2wider', noise = 'zero-sum', seed = 0 } = first
      settings = { ...settings, widths: new Map(widths), init, noise, seed }
      rest = rest.slice(1)
    }
  }
  const [next] = rest
  if (next && 'deepen' in next && !next.plan && !Array.isArray(next.kernelSize)) {
    const { init: deepInit = 'net2deeper', block = 'identity', kernelSize: kernel } = next
    // Steps have the seed of the settings, or one of their own.
    const { seed = settings.seed } = next
    if (settings.widths.size === 0 || seed === settings.seed) {
      const deepen = typeof next.deepen === 'string' ? [next.deepen] : next.deepen
      const size = typeof kernel === 'number' ? kernel : undefined
      settings = { ...settings, deepen, deepInit, block, seed, kernel: size }
      rest = rest.slice(1)
    }
  }
  return { ...settings, more: rest }
}
