/** What is chosen on the Grow tab as steps of growth. */
import type { GrowthStep } from 'net2net'
import type { GrowSettings } from './protocol.ts'

/** Widening first. Every choice is written down, so that defaults of later versions change nothing. */
export function stepsOf(settings: GrowSettings): readonly GrowthStep[] {
  const { widths, deepen, block, init, deepInit, noise, seed } = settings
  const widen = Object.fromEntries(widths)
  const steps: GrowthStep[] = []
  if (widths.size > 0)
    steps.push(init === 'net2wider' ? { widen, init, noise, seed } : { widen, init, seed })
  if (deepen.length > 0) steps.push({ deepen, init: deepInit, block, seed })
  return steps
}
