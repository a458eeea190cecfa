/**
 * Whoever reaches the Redis can put jobs there: they are read like a file from a stranger. The
 * identity of a trial is the hash of its specification, so that it names neither a folder elsewhere
 * nor a trial that it is not.
 */
import { schemaMessage } from 'net2net/recipe'
import { z } from 'zod'
import { inputError } from '../../errors.ts'
import { count, growth, seed } from '../file/schema.ts'
import { sweepNetworkNames } from '../trial/networks.ts'
import type { TrialFailure } from '../trial/trial.ts'
import { trialId } from '../trial/trial-id.ts'
import type { TrialJob } from './queue.ts'

/** Units, samples or threads: what memory is taken for. */
const size = count.max(2 ** 24, 'must be at most 2^24')
const whole = z.int('must be a whole number').nonnegative('must not be negative')
const id = z.string().regex(/^t[0-9a-f]{16}$/, 'is no identity of a trial')

const common = { seed: whole.exactOptional() }
const steps = z.array(
  z.union([
    z.strictObject({
      widen: growth.widen.unwrap(),
      init: growth.widenInit,
      noise: growth.noise,
      noiseSize: growth.noiseSize,
      ...common,
    }),
    z.strictObject({
      deepen: growth.deepen.unwrap(),
      init: growth.deepenInit,
      block: growth.block,
      ...common,
    }),
  ]),
)

const spec = z.strictObject({
  format: z.literal(3, 'is of another version of net2net-cli'),
  data: z.strictObject({
    set: z.enum(['mnist', 'fashion-mnist']),
    trainSize: size.exactOptional(),
    testSize: size.exactOptional(),
  }),
  network: z.enum(sweepNetworkNames),
  width: size,
  seed,
  order: whole,
  parent: id.exactOptional(),
  carryOptimizer: z.literal(true).exactOptional(),
  growth: steps.exactOptional(),
  fresh: z.literal(true).exactOptional(),
  stages: z
    .array(
      z.strictObject({
        when: z.strictObject({ epoch: count }),
        steps,
        learningRateFactor: z.number().positive().exactOptional(),
        ...common,
      }),
    )
    .exactOptional(),
  optimizer: z.strictObject({
    name: z.enum(['sgd', 'adam', 'adamw']),
    momentum: z.number().min(0).lt(1).exactOptional(),
    weightDecay: z.number().min(0).exactOptional(),
  }),
  learningRate: z.number().positive('must be greater than 0'),
  epochs: count,
  batchSize: size,
  evaluateEvery: count.exactOptional(),
  threads: count,
})

const trial = z
  .strictObject({
    id,
    spec,
    labels: z.array(
      z.strictObject({ experiment: z.string(), arm: z.string(), seed: z.number() }),
      'must be a list of labels',
    ),
    keepState: z.boolean(),
  })
  .refine((value) => trialId(value.spec) === value.id, {
    path: ['id'],
    message: 'is not the identity of its specification',
  })

const job: z.ZodType<TrialJob> = z.strictObject({
  trial,
  checkpointSeconds: z.number().nonnegative(),
  commonFolder: z.boolean(),
  children: z.lazy(() => z.array(job)),
})

/** @throws input, saying what is wrong where */
export const parseJob = (data: unknown): TrialJob => read(job, data, 'The job')

/** What a worker says about a trial that failed. */
export function parseFailure(text: string, expected: string): TrialFailure {
  const failure = z.strictObject({ id: z.literal(expected), kind: z.string(), message: z.string() })
  try {
    return read(failure, JSON.parse(text), 'The failure')
  } catch {
    return { id: expected, kind: 'internal', message: 'The trial failed, without a reason.' }
  }
}

function read<T>(schema: z.ZodType<T>, data: unknown, what: string): T {
  let issue: z.core.$ZodIssue | undefined
  try {
    const { success, data: value, error } = schema.safeParse(data)
    if (success) return value
    issue = error.issues[0]
  } catch (cause) {
    // Nested so deeply that the call stack is used up.
    throw inputError(`${what} cannot be read.`, { cause })
  }
  const where = issue?.path.join('.') ?? ''
  throw inputError(`${what} is not valid: ${where} ${issue ? schemaMessage(issue) : 'is wrong'}.`)
}
