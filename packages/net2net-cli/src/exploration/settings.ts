/** What decides the bits of an exploration, as plain data: workers elsewhere get it with every job. */
import { costs, growthOperations } from 'net2net/exploring'
import { lossNames } from 'net2net/training'
import { z } from 'zod'

/** Samples, threads or steps: what memory or time is taken for. */
const count = z
  .int()
  .min(1)
  .max(2 ** 31)
const positive = z.number().positive()
const share = z.number().min(0).max(1)
const texts = z.array(z.string())
const cost = z.enum(costs)

/** Of `net2net train`, under the same names. */
const training = z.strictObject({
  loss: z.enum(lossNames),
  optimizer: z.enum(['sgd', 'adam', 'adamw', 'rmsprop', 'lion']),
  learningRate: positive.exactOptional(),
  momentum: share.exactOptional(),
  weightDecay: z.number().min(0).exactOptional(),
  decayOnly: z.union([texts, z.literal(true)]).exactOptional(),
  nesterov: z.literal(true).exactOptional(),
  rate: z.record(z.string(), z.number().min(0)).exactOptional(),
  clipNorm: z.number().min(0).exactOptional(),
  labelSmoothing: z.number().min(0).exactOptional(),
  classWeights: z.union([z.array(z.number()), z.literal('balanced')]).exactOptional(),
  ignoreLabel: z.int().exactOptional(),
  freeze: texts.exactOptional(),
  trainOnly: texts.exactOptional(),
  classAxis: z.int().exactOptional(),
  batchSize: count,
  device: z.enum(['cpu', 'webgpu', 'cuda']),
  threads: count,
})

export const explorationSettings = z.strictObject({
  /** Rises when the same settings mean other bits. */
  format: z.literal(3, 'is of another version of net2net-cli'),
  /** SHA-256 of the first network's file. */
  model: z.string().regex(/^[0-9a-f]{64}$/),
  data: z.strictObject({
    /** As on the command line; a file or folder of this name is looked for on every machine. */
    spec: z.string(),
    /** How it becomes numbers: the options of `net2net train`. Whoever loads them checks them. */
    options: z.record(z.string(), z.json()),
    /** Share that is held back. */
    validation: share.exactOptional(),
    /** SHA-256 of all samples: other machines may have others. */
    fingerprint: z.string(),
  }),
  training,
  seed: z.int().min(0).max(0xffffffff),
  rungs: z.strictObject({
    steps: count,
    factor: z.number().gt(1),
    most: count.exactOptional(),
  }),
  randomShare: share,
  objectives: z.strictObject({
    metric: z.string().exactOptional(),
    against: z.array(cost),
    limits: z.partialRecord(cost, positive),
  }),
  growth: z.strictObject({
    layers: texts.min(1),
    operations: z.array(z.enum(growthOperations)).min(1),
    factors: z.array(z.number().gt(1)).min(1),
  }),
})

export type ExplorationSettings = z.infer<typeof explorationSettings>
