/** Reads the folders of runs. */

import fs from 'node:fs/promises'
import path from 'node:path'
import { countMultiplyAdds, inspect, load } from 'net2net'
import { schemaMessage } from 'net2net/recipe'
import { z } from 'zod'
import { inputError } from '../errors.ts'
import type { ArmRecord, RunRecord, StepRecord } from './run-record.ts'

/** A figure that is not finite is null in JSON. */
const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN)

const epochSchema = z.object({
  epoch: z.number(),
  loss: figure,
  accuracy: figure.optional(),
  valLoss: figure.optional(),
  valAccuracy: figure.optional(),
  seconds: z.number(),
})
const evaluationSchema = z.object({
  metrics: z.record(
    z.string(),
    z.object({
      value: figure,
      low: figure.optional(),
      high: figure.optional(),
      interval: z.enum(['wilson', 'normal', 'bootstrap']).optional(),
    }),
  ),
  perClass: z
    .array(
      z.object({
        class: z.string(),
        precision: figure,
        recall: figure,
        f1: figure,
        support: z.number(),
      }),
    )
    .optional(),
  confusion: z.array(z.array(z.number())).optional(),
})
const retention = { samples: z.number(), before: figure, after: figure }
const forgettingSchema = z.object({
  measure: z.enum(['accuracy', 'loss']),
  heldOut: z.boolean(),
  old: z.object(retention),
  forgetting: figure,
  perClass: z.array(z.object({ class: z.string(), ...retention })),
  newClasses: z.array(z.string()),
})
const armSchema = z.object({
  name: z.string(),
  parameters: z.number(),
  epochs: z.array(epochSchema),
  initial: z.object({ valLoss: figure, valAccuracy: figure }).optional(),
  evaluation: evaluationSchema.optional(),
  decisions: z
    .array(
      z.object({
        epoch: z.number(),
        grow: z.boolean(),
        reason: z.string(),
        parameters: z.number(),
      }),
    )
    .optional(),
  forgetting: forgettingSchema.optional(),
  model: z.string().optional(),
})
const resultsSchema = z.object({
  seed: z.number(),
  command: z.string().optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  started: z.string().optional(),
  finished: z.boolean().optional(),
  seconds: z.number().optional(),
  arms: z.array(armSchema),
})
export type StoredResults = z.infer<typeof resultsSchema>

const metricsSchema = z.object({ arm: z.string(), step: z.number(), loss: z.number().optional() })

/** The folders, each one once, also where it has several names; as they were first given. */
export async function distinctFolders(folders: readonly string[]): Promise<readonly string[]> {
  const byPlace = new Map<string, string>()
  for (const folder of folders) {
    // What cannot be found is refused when it is read.
    const place = await fs.realpath(folder).catch(() => path.resolve(folder))
    if (!byPlace.has(place)) byPlace.set(place, folder)
  }
  return [...byPlace.values()]
}

/** results.json of a run's folder. @throws input where it is missing or not what it should be */
export async function readResults(folder: string): Promise<StoredResults> {
  const file = path.join(folder, 'results.json')
  let text: string
  try {
    text = await fs.readFile(file, 'utf8')
  } catch (cause) {
    throw inputError(`${folder} is no run's folder: it has no results.json that can be read.`, {
      where: folder,
      hint: 'Runs are made by net2net mnist and net2net train; give the folder that one of them wrote.',
      cause,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw inputError(`${file} is not JSON (${(cause as Error).message}).`, { where: file, cause })
  }
  const parsed = resultsSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw inputError(
    `${file} is not a run's results: ${issue!.path.join('.') || 'it'}: ${schemaMessage(issue!)}.`,
    {
      where: file,
    },
  )
}

/** The training losses of metrics.jsonl; lines that are torn or say something else are left out. */
export function parseMetrics(text: string): readonly StepRecord[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return []
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      return []
    }
    const { data } = metricsSchema.safeParse(value)
    return data?.loss === undefined ? [] : [{ arm: data.arm, step: data.step, loss: data.loss }]
  })
}

/** Everything that a report says of a run. @throws input, as `readResults` */
export async function readRun(folder: string): Promise<RunRecord> {
  const results = await readResults(folder)
  const metrics = await fs.readFile(path.join(folder, 'metrics.jsonl'), 'utf8').catch(() => '')
  const arms = await Promise.all(results.arms.map((arm) => withArchitecture(folder, arm)))
  return {
    name: path.basename(path.resolve(folder)),
    seed: results.seed,
    arms: arms.filter((arm) => arm.epochs.length > 0 || arm.initial !== undefined),
    steps: parseMetrics(metrics),
    facts: factsOf(results),
  }
}

async function withArchitecture(
  folder: string,
  { model, initial, ...arm }: StoredResults['arms'][number],
): Promise<ArmRecord> {
  const plain: ArmRecord = { ...arm, ...(initial ? { initial } : {}) }
  if (model === undefined || path.basename(model) !== model) return plain
  try {
    const network = await load(path.join(folder, model))
    const layers = inspect(network).layers.map(({ name, op, width }) => ({ name, op, width }))
    return { ...plain, layers, multiplyAdds: countMultiplyAdds(network) }
  } catch {
    // The figures are worth a report without the drawing.
    return plain
  }
}

function factsOf(results: StoredResults): (readonly [string, string])[] {
  const { command, started, finished, seconds, settings = {}, environment = {} } = results
  const facts: (readonly [string, string | undefined])[] = [
    ['Command', command],
    ['Started', started?.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
    ['Finished', finished === false ? 'no: stopped before its end' : undefined],
    ['Took', seconds === undefined ? undefined : `${seconds.toFixed(0)} s`],
    ...Object.entries(settings).map(
      ([name, value]) => [inWords(name), settingText(value)] as const,
    ),
    ...Object.entries(environment).map(([name, value]) => [inWords(name), String(value)] as const),
  ]
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
}

/** `trainSize` as people write it. */
const inWords = (name: string): string =>
  name
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .replace(/^./, (letter) => letter.toUpperCase())

const settingText = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value)
