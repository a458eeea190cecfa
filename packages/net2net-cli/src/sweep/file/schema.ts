/** What a sweep file may say. */
import { growthChoices } from 'net2net'
import { z } from 'zod'
import { sweepNetworkNames } from '../trial/networks.ts'

export const count = z.int('must be a whole number').positive('must be at least 1')
export const seed = z.int('must be a whole number').min(0).max(0xffffffff)
/** So many, or these: each is a trial of every arm. */
const seeds = z.union([
  count.max(10_000, 'must be at most 10,000'),
  z.array(seed).min(1).max(10_000, 'must be at most 10,000'),
])
const name = z
  .string()
  .regex(/^[\w][\w.+-]*$/, 'a name has letters, digits, ".", "_", "+" and "-" only')

const settings = {
  network: z.enum(sweepNetworkNames).exactOptional(),
  width: count
    .max(2 ** 24, 'must be at most 2^24')
    .exactOptional()
    .describe("Units of the network's first layer."),
  data: z.enum(['mnist', 'fashion-mnist']).exactOptional(),
  trainSize: count.exactOptional(),
  testSize: count.exactOptional(),
  epochs: count.exactOptional(),
  batchSize: count.exactOptional(),
  optimizer: z.enum(['sgd', 'adam', 'adamw']).exactOptional(),
  learningRate: z.number().positive('must be greater than 0').exactOptional(),
  momentum: z.number().min(0).lt(1).exactOptional(),
  weightDecay: z.number().min(0).exactOptional(),
  evaluateEvery: count.exactOptional().describe('Steps between validations.'),
}
export type Settings = z.infer<z.ZodObject<typeof settings>>
export const settingNames = Object.keys(settings) as (keyof Settings)[]

/** One growth: widening first, then deepening. */
export const growth = {
  widen: z
    .record(
      z.string(),
      z.union([count, z.string().regex(/^[x×]\d*\.?\d+$/i)], 'must be a width or a factor as x1.5'),
    )
    .exactOptional(),
  deepen: z.array(z.string()).min(1).exactOptional(),
  widenInit: z.enum(growthChoices.widenInit).exactOptional(),
  deepenInit: z.enum(growthChoices.deepenInit).exactOptional(),
  noise: z.enum(growthChoices.noise).exactOptional(),
  noiseSize: z.number().positive('must be greater than 0').exactOptional(),
  block: z.enum(growthChoices.block).exactOptional(),
}
export type GrowthEntry = z.infer<z.ZodObject<typeof growth>>

const stage = z.strictObject({
  afterEpoch: count,
  learningRateFactor: z.number().positive('must be greater than 0').exactOptional(),
  ...growth,
})

/** Field → the values that it takes, each in an arm (or experiment) of its own. */
const grid = z.record(z.string(), z.array(z.unknown()).min(1)).exactOptional()

export const armSchema = z.strictObject({
  name,
  from: name.exactOptional().describe('teacher (default), scratch, or another arm.'),
  carryOptimizer: z.boolean().exactOptional(),
  stages: z.array(stage).min(1).exactOptional(),
  ...growth,
  ...settings,
  grid,
})
export type ArmEntry = z.infer<typeof armSchema>

export const experimentSchema = z.strictObject({
  name,
  seeds: seeds.exactOptional(),
  teacher: z.strictObject(settings).exactOptional(),
  arms: z.array(armSchema),
  compare: z.array(z.tuple([z.string(), z.string()])).exactOptional(),
  target: z.union([z.number().positive(), z.string()]).exactOptional(),
  ...settings,
  grid,
})
export type ExperimentEntry = z.infer<typeof experimentSchema>

export const sweepSchema = z.strictObject(
  {
    name,
    threads: count.exactOptional().describe('Threads per trial; default 1.'),
    seeds: seeds.exactOptional(),
    defaults: z.strictObject(settings).exactOptional(),
    experiments: z
      .array(experimentSchema, 'must be a list of experiments')
      .min(1, 'must have at least one experiment'),
  },
  { error: ({ code }) => (code === 'invalid_type' ? 'must have name and experiments' : undefined) },
)
