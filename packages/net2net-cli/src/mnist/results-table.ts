/** The table of the Keras example, with its own numbers beside ours. */

import type { RunResults } from '../runs/results.ts'
import { arms } from './arms.ts'

export interface ResultsTable {
  readonly header: readonly string[]
  readonly rows: readonly (readonly (string | number | undefined)[])[]
}

const fixed = (value: number | undefined): string | undefined => value?.toFixed(4)

/** Validation loss per epoch, the published ones, accuracy, parameters and seconds, arm by arm. */
export function resultsTable(results: RunResults): ResultsTable {
  const epochs = Math.max(0, ...results.arms.map((arm) => arm.epochs.length))
  const columns = Array.from({ length: epochs }, (_, i) => i)
  const publishedColumns = columns.slice(0, 3)
  return {
    header: [
      'arm',
      'start',
      ...columns.map((i) => `epoch ${i + 1}`),
      ...publishedColumns.map((i) => `seed ${i + 1}`),
      'accuracy',
      'parameters',
      'seconds',
    ],
    rows: results.arms.map((arm) => {
      const number = arms.findIndex(({ name }) => name === arm.name)
      const published = arms[number]?.published
      const last = arm.epochs.at(-1)
      return [
        `(${number}) ${arm.name}`,
        fixed(arm.initial?.valLoss) ?? '',
        ...columns.map((i) => fixed(arm.epochs[i]?.valLoss)),
        ...publishedColumns.map((i) => fixed(published?.[i])),
        last ? `${(100 * last.valAccuracy).toFixed(2)}%` : undefined,
        arm.parameters,
        Math.round(arm.epochs.reduce((sum, { seconds }) => sum + seconds, 0)),
      ]
    }),
  }
}
