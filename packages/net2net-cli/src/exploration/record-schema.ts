/** What jobs and records of explorations must be: they come from files and queues that others may have written. */
import {
  costs,
  type ExplorationRecord,
  type RungOutcome,
  type RungProgress,
} from 'net2net/exploring'
import { schemaMessage } from 'net2net/recipe'
import { z } from 'zod'
import { inputError } from '../errors.ts'

const whole = z.int().nonnegative()
const steps = z
  .int()
  .min(1)
  .max(2 ** 40)
const atRung = { network: whole, rung: whole }
const names = z.array(z.string())
const number = z.number()
/** A number that is not finite is null in JSON. */
const perhaps = number.nullable().transform((value) => value ?? Number.NaN)

/** A growth, as far as candidates are told apart by it; its other options stay. */
const growth = z.union([
  z.looseObject({ widen: z.record(z.string(), z.union([number, z.string()])) }),
  z.looseObject({ deepen: names }),
  z.looseObject({ repeat: names }),
  z.looseObject({ kernel: z.record(z.string(), z.union([number, z.array(number)])) }),
])

export const rungJob = z.strictObject({
  ...atRung,
  steps,
  until: steps,
  growth: z
    .strictObject({
      parent: z.strictObject(atRung),
      by: z.enum(['gain', 'random']),
      tried: z.array(growth),
      place: whole,
    })
    .exactOptional(),
  latency: z.number().positive().exactOptional(),
})

const grown = growth.exactOptional()
const rungOutcome = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('trained'),
    loss: number,
    metrics: z.record(z.string(), number).exactOptional(),
    parameters: number,
    multiplyAdds: number.nullable(),
    size: number,
    latency: number.exactOptional(),
    trainLoss: perhaps,
    step: whole,
    grown,
    digest: z.string(),
    seconds: number,
  }),
  z.object({ kind: z.literal('beyond'), limit: z.enum(costs), value: perhaps, grown }),
  z.object({ kind: z.literal('exhausted') }),
  z.object({ kind: z.literal('failed'), message: z.string(), grown }),
])

const explorationRecord = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('begin'), version: number, settings: z.unknown() }),
  z.object({ kind: z.literal('start'), job: rungJob, seconds: number }),
  z.object({ kind: z.literal('finish'), ...atRung, outcome: rungOutcome, seconds: number }),
  z.object({
    kind: z.literal('end'),
    reason: z.enum(['trials', 'steps', 'seconds', 'nothing left']),
    seconds: number,
  }),
])

const rungProgress = z.object({ ...atRung, step: whole, steps: whole, loss: perhaps })

/**
 * What came of a rung, wherever it was read.
 *
 * @param what it is, for the message
 * @throws input where it is none
 */
export const parseOutcome = (text: string, what: string): RungOutcome =>
  parsed(rungOutcome, text, `${what} is not what comes of a rung`)

/** @throws input where a journal's line is no record */
export const parseRecord = (text: string, what: string): ExplorationRecord =>
  parsed(explorationRecord, text, `${what} is no record of an exploration`)

/** What a worker says of a rung that it trains; undefined where it says something else. */
export const progressIn = (said: unknown): RungProgress | undefined =>
  rungProgress.safeParse(said).data

function parsed<T>(schema: z.ZodType<T>, text: string, wrong: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw inputError(`${wrong}.`, { cause })
  }
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  const [issue] = error.issues
  throw inputError(`${wrong}: ${issue!.path.join('.')} ${schemaMessage(issue!)}.`)
}
