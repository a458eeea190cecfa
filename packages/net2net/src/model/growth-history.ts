/** How a model grew while it was trained: kept in the file's own metadata, so that it goes on through other trainings and tools. */
import type { Model } from './model.ts'

/** The metadata key: a JSON list of growths. */
export const GROWTHS_KEY = 'net2net.growths'

export interface RememberedGrowth {
  /** Steps of the training in which it grew, until then. */
  readonly step: number
  readonly parameters: { readonly before: number; readonly after: number }
  /** The steps of growth, without their plans. */
  readonly by: readonly object[]
}

/** From the first to the last; none where there are none, or where they are not what is written here. */
export function growthHistoryOf({ metadata }: Model): readonly RememberedGrowth[] {
  const text = metadata.get(GROWTHS_KEY)
  if (text === undefined) return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every(isGrowth) ? value : []
  } catch {
    return []
  }
}

function isGrowth(value: unknown): value is RememberedGrowth {
  if (typeof value !== 'object' || value === null) return false
  const { step, parameters, by } = value as Partial<RememberedGrowth>
  return (
    typeof step === 'number' &&
    typeof parameters?.before === 'number' &&
    typeof parameters.after === 'number' &&
    Array.isArray(by)
  )
}

/** The model with one growth more. */
export const withGrowth = (model: Model, growth: RememberedGrowth): Model => ({
  ...model,
  metadata: new Map(model.metadata).set(
    GROWTHS_KEY,
    JSON.stringify([...growthHistoryOf(model), growth]),
  ),
})
