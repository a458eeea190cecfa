/** The identity of a trial, which is also the name of its folder. */
import { createHash } from 'node:crypto'
import type { TrialSpec } from './trial.ts'

/** The same specification has the same identity, whatever it is called and wherever it stands. */
export const trialId = (spec: TrialSpec): string =>
  `t${createHash('sha256')
    .update(JSON.stringify(sorted(spec)))
    .digest('hex')
    .slice(0, 16)}`

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
