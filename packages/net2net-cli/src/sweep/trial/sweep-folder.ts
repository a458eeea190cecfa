/**
 * A sweep's folder: `sweep.yaml` (the file), `sweep.json` (the plan) and, for each trial,
 * `trials/ID/` with its result, network, optimizer state and checkpoints. What is there is whole:
 * files appear under their names when they are.
 */

import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder, writeWhole } from 'net2net/files'
import { schemaMessage } from 'net2net/recipe'
import { z } from 'zod'
import { inputError, usageError } from '../../errors.ts'
import type { SweepPlan, Trial, TrialFailure, TrialResult } from './trial.ts'

export const trialFiles = {
  model: 'model.onnx',
  state: 'state.n2n',
  result: 'result.json',
  failure: 'failure.json',
} as const
export type TrialFile = keyof typeof trialFiles

const planFile = 'sweep.json'
const sourceFile = 'sweep.yaml'
const reportFiles = ['report.html', 'report.md']

/** A figure that is not finite is null in JSON. */
const figure = z.number().nullable()
/** What is read of a result. */
const resultSchema = z.looseObject({
  id: z.string(),
  spec: z.looseObject({}),
  outcome: z.looseObject({
    parameters: z.number(),
    curve: z
      .array(
        z.looseObject({
          step: z.number(),
          epoch: z.number(),
          valLoss: figure,
          valAccuracy: figure,
        }),
      )
      .min(1),
    epochs: z.array(z.looseObject({ epoch: z.number(), loss: figure })),
    growths: z.array(z.looseObject({ step: z.number(), parameters: z.number() })),
    steps: z.number(),
    model: z.string(),
  }),
  cost: z.looseObject({
    seconds: z.array(z.number()),
    processorSeconds: z.array(z.number()),
    environment: z.record(z.string(), z.union([z.string(), z.number()])),
    resumed: z.number(),
  }),
})

export class SweepFolder {
  readonly path: string

  constructor(folder: string) {
    this.path = folder
  }

  /** @throws usage where the folder is something else; input where it cannot be made */
  static create(folder: string): SweepFolder {
    makeFolder(path.join(folder, 'trials'))
    return new SweepFolder(folder)
  }

  static isSweep = (folder: string): boolean => existsSync(path.join(folder, planFile))

  file(id: string, which: TrialFile): string {
    return path.join(this.trial(id), trialFiles[which])
  }

  trial(id: string): string {
    return path.join(this.path, 'trials', id)
  }

  checkpoints(id: string): string {
    return path.join(this.trial(id), 'checkpoints')
  }

  has(id: string, which: TrialFile): boolean {
    return existsSync(this.file(id, which))
  }

  /** Whether a trial is done, with all that its children need. */
  isFinished({ id, keepState }: Pick<Trial, 'id' | 'keepState'>): boolean {
    return this.has(id, 'result') && this.has(id, 'model') && (!keepState || this.has(id, 'state'))
  }

  /** @throws usage where the folder has another sweep, or files of others in the places of ours */
  async savePlan(plan: SweepPlan, source: string): Promise<void> {
    await this.#mustBeOurs(plan, source)
    await writeWhole(path.join(this.path, sourceFile), source, { force: true })
    const text = `${JSON.stringify(plan, null, 2)}\n`
    await writeWhole(path.join(this.path, planFile), text, { force: true })
  }

  async #mustBeOurs({ name }: SweepPlan, source: string): Promise<void> {
    const refuse = (why: string) => {
      throw usageError(`${this.path} ${why}; choose another folder with -o.`, { where: this.path })
    }
    if (SweepFolder.isSweep(this.path)) {
      const { name: other } = await this.readPlan()
      if (other !== name) refuse(`holds the sweep "${other}", not "${name}"`)
      return
    }
    for (const file of [sourceFile, ...reportFiles]) {
      const text = await readFile(path.join(this.path, file), 'utf8').catch(() => undefined)
      const isSource = file === sourceFile && text === source
      if (text !== undefined && !isSource) refuse(`has a ${file} that is of no sweep`)
    }
  }

  /** @throws input where the folder is no sweep's */
  async readPlan(): Promise<SweepPlan> {
    const plan = await readJson<SweepPlan>(path.join(this.path, planFile))
    if (plan && Array.isArray(plan.trials) && Array.isArray(plan.experiments)) return plan
    throw inputError(`${this.path} is no sweep's folder: it has no ${planFile} that can be read.`, {
      where: this.path,
    })
  }

  /** @throws input where the file is not what a trial yields; it may have come through a queue */
  async readResult(id: string): Promise<TrialResult | undefined> {
    const file = this.file(id, 'result')
    const value = await readJson<unknown>(file)
    if (value === undefined) return undefined
    const { success, error } = resultSchema.safeParse(value)
    if (success) return value as TrialResult
    const [issue] = error.issues
    throw inputError(
      `${file} is not a trial's result: ${issue!.path.join('.') || 'it'} ${schemaMessage(issue!)}.`,
      { where: file },
    )
  }

  readFailure(id: string): Promise<TrialFailure | undefined> {
    return readJson(this.file(id, 'failure'))
  }

  async saveResult(result: TrialResult): Promise<void> {
    await this.write(result.id, 'result', `${JSON.stringify(result, null, 2)}\n`)
  }

  async saveFailure(failure: TrialFailure): Promise<void> {
    await this.write(failure.id, 'failure', `${JSON.stringify(failure, null, 2)}\n`)
  }

  async write(id: string, which: TrialFile, content: string | Uint8Array): Promise<void> {
    makeFolder(this.trial(id))
    await writeWhole(this.file(id, which), content, { force: true })
  }

  /** A trial that failed may try again. */
  clearFailure(id: string): Promise<void> {
    return rm(this.file(id, 'failure'), { force: true })
  }

  removeCheckpoints(id: string): Promise<void> {
    return rm(this.checkpoints(id), { recursive: true, force: true })
  }
}

/** undefined where there is none. */
async function readJson<T>(file: string): Promise<T | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw inputError(`${file} cannot be read.`, { where: file, cause })
  }
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw inputError(`${file} is not JSON.`, { where: file, cause })
  }
}
