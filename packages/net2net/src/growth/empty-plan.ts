import type { GrowthPlan } from './growth-plan.ts'

/** A plan that changes nothing. */
export const emptyPlan = (seed: number): GrowthPlan => ({
  version: 2,
  seed,
  units: [],
  parameters: [],
  copied: [],
  integers: [],
  pinned: [],
  positions: [],
  inserted: [],
})
