/**
 * A sweep's folder: `sweep.yaml` (the file), `sweep.json` (the plan) and, for each trial,
 * `trials/ID/` with its result, network, optimizer state and checkpoints. What is there is whole:
 * files appear under their names when they are.
 */

import { existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { AtomicFile, makeFolder } from 'net2net/files'
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

export class SweepFolder {
  readonly path: string

  constructor(folder: string) {
    this.path = folder
  }

  /** @throws usage where the folder is something else; input where it cannot be made */
  static create(folder: string): SweepFolder {
    try {
      makeFolder(path.join(folder, 'trials'))
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code === 'EEXIST' || code === 'ENOTDIR')
        throw usageError(`${folder} is not a folder.`, { where: folder, cause })
      throw inputError(`The folder ${folder} cannot be made (${message}).`, {
        where: folder,
        cause,
      })
    }
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

  async savePlan(plan: SweepPlan, source: string): Promise<void> {
    await writeWhole(path.join(this.path, sourceFile), source)
    await writeWhole(path.join(this.path, planFile), `${JSON.stringify(plan, null, 2)}\n`)
  }

  /** @throws input where the folder is no sweep's */
  async readPlan(): Promise<SweepPlan> {
    const plan = await readJson<SweepPlan>(path.join(this.path, planFile))
    if (plan && Array.isArray(plan.trials) && Array.isArray(plan.experiments)) return plan
    throw inputError(`${this.path} is no sweep's folder: it has no ${planFile} that can be read.`, {
      where: this.path,
    })
  }

  readResult(id: string): Promise<TrialResult | undefined> {
    return readJson(this.file(id, 'result'))
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
    await mkdir(this.trial(id), { recursive: true })
    await writeWhole(this.file(id, which), content)
  }

  /** A trial that failed may try again. */
  clearFailure(id: string): Promise<void> {
    return rm(this.file(id, 'failure'), { force: true })
  }

  removeCheckpoints(id: string): Promise<void> {
    return rm(this.checkpoints(id), { recursive: true, force: true })
  }
}

export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const target = await AtomicFile.create(file)
  try {
    await target.write(typeof content === 'string' ? new TextEncoder().encode(content) : content)
    await target.finish()
    await target.publish(true)
  } finally {
    await target.discard()
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
