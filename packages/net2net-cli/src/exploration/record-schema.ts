/** What jobs and records of explorations must be: they come from files and queues that others may have written. */
import { costs } from 'net2net/exploring'
import { z } from 'zod'

const whole = z.int().nonnegative()
const steps = z
  .int()
  .min(1)
  .max(2 ** 40)
const atRung = { network: whole, rung: whole }
const names = z.array(z.string())
const number = z.number()
/** A number that is not finite is null in JSON. */
const perhaps = number.nullable()

/** A growth, as far as candidates are told apart by it. */
const growth = z.union([
  z.object({ widen: z.record(z.string(), z.union([number, z.string()])) }),
  z.object({ deepen: names }),
  z.object({ repeat: names }),
  z.object({ kernel: z.record(z.string(), z.union([number, z.array(number)])) }),
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
export const rungOutcome = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('trained'),
    loss: perhaps,
    metrics: z.record(z.string(), perhaps).exactOptional(),
    parameters: number,
    multiplyAdds: perhaps,
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

export const explorationRecord = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('begin'), version: number, settings: z.unknown() }),
  z.object({ kind: z.literal('start'), job: rungJob, seconds: number }),
  z.object({ kind: z.literal('finish'), ...atRung, outcome: rungOutcome, seconds: number }),
  z.object({
    kind: z.literal('end'),
    reason: z.enum(['trials', 'steps', 'seconds', 'nothing left']),
    seconds: number,
  }),
])
