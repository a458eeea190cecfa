/**
 * An exploration's folder: `exploration.json` (its settings), `start.onnx` (the first network), `journal.jsonl` (every
 * decision and what came of it, in its order), and for each network `networks/NUMBER/` with what it was at the ends of rungs and what
 * came of them. What is there is whole: files appear under their names when they are.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { decodeModel, encodeModel } from 'net2net'
import { readCheckpoint, writeCheckpoint } from 'net2net/checkpoints'
import type { NetworkAtRung, NetworkStore, RungOutcome, TrainedNetwork } from 'net2net/exploring'
import { makeFolder, readWhole, writeWhole } from 'net2net/files'
import type { GrowthStage } from 'net2net/growing'
import { schemaMessage } from 'net2net/recipe'
import { startingState } from 'net2net/training'
import { inputError } from '../errors.ts'
import { parseOutcome } from './record-schema.ts'
import { bestFile, type ExplorationResults } from './results.ts'
import { type ExplorationSettings, explorationSettings } from './settings.ts'

export const explorationFiles = {
  settings: 'exploration.json',
  start: 'start.onnx',
  journal: 'journal.jsonl',
  results: 'explore.json',
  report: 'report.html',
} as const

/** What a rung leaves. */
export type RungFile = 'network' | 'outcome' | 'unfinished' | 'failure'

export class ExplorationFolder implements NetworkStore {
  readonly path: string

  constructor(folder: string) {
    this.path = folder
  }

  static isExploration = (folder: string): boolean =>
    existsSync(path.join(folder, explorationFiles.settings))

  file(which: keyof typeof explorationFiles): string {
    return path.join(this.path, explorationFiles[which])
  }

  rungFile({ network, rung }: NetworkAtRung, which: RungFile): string {
    const names = {
      network: `rung-${rung}.n2n`,
      outcome: `rung-${rung}.json`,
      unfinished: `rung-${rung}.unfinished.n2n`,
      failure: `rung-${rung}.failure.json`,
    }
    return path.join(this.path, 'networks', String(network), names[which])
  }

  /** @throws input where the folder is no exploration's */
  async readSettings(): Promise<ExplorationSettings> {
    const file = this.file('settings')
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw inputError(`${this.path} is no exploration's folder: it has no ${file}.`, {
        where: this.path,
        cause,
      })
    })
    return readSettings(text, file)
  }

  /** @throws input where there are none, or none that an exploration writes */
  async readResults(): Promise<ExplorationResults> {
    const file = this.file('results')
    try {
      const results = JSON.parse(await readFile(file, 'utf8')) as ExplorationResults
      if (Array.isArray(results.trials) && Array.isArray(results.front)) return results
    } catch (cause) {
      throw inputError(`${this.path} has no ${path.basename(file)} that can be read.`, {
        where: file,
        cause,
      })
    }
    throw inputError(`${file} is not what an exploration writes.`, { where: file })
  }

  async saveSettings(settings: ExplorationSettings): Promise<void> {
    makeFolder(path.join(this.path, 'networks'))
    await writeWhole(this.file('settings'), `${JSON.stringify(settings, null, 2)}\n`, {
      force: true,
    })
  }

  /** Removes the exploration, and nothing else that may be in the folder. */
  async clear(): Promise<void> {
    if (!ExplorationFolder.isExploration(this.path)) return
    // Last what says that there is one.
    const { settings, ...others } = explorationFiles
    for (const name of ['networks', 'front', bestFile, ...Object.values(others), settings])
      await rm(path.join(this.path, name), { recursive: true, force: true })
  }

  /** Removes networks at rungs that are not among these: each has its weights and its optimizer's state. */
  async keepNetworks(needed: readonly NetworkAtRung[]): Promise<void> {
    const keep = new Set(needed.map((at) => this.rungFile(at, 'network')))
    const networks = path.join(this.path, 'networks')
    for (const network of await readdir(networks))
      for (const name of await readdir(path.join(networks, network))) {
        const file = path.join(networks, network, name)
        if (/^rung-\d+\.n2n$/.test(name) && !keep.has(file)) await rm(file)
      }
  }

  /** Removes files of the front that are not among these names. */
  async keepInFront(names: ReadonlySet<string | null>): Promise<void> {
    for (const name of await readdir(path.join(this.path, 'front')))
      if (!names.has(`front/${name}`)) await rm(path.join(this.path, 'front', name))
  }

  async read(at: NetworkAtRung): Promise<TrainedNetwork> {
    return this.#read(this.rungFile(at, 'network'))
  }

  async write(at: NetworkAtRung, network: TrainedNetwork): Promise<void> {
    await this.#write(at, 'network', network)
    await rm(this.rungFile(at, 'unfinished'), { force: true })
  }

  async readUnfinished(at: NetworkAtRung): Promise<TrainedNetwork | undefined> {
    const file = this.rungFile(at, 'unfinished')
    return existsSync(file) ? this.#read(file) : undefined
  }

  async writeUnfinished(at: NetworkAtRung, network: TrainedNetwork): Promise<void> {
    await this.#write(at, 'unfinished', network)
  }

  async readOutcome(at: NetworkAtRung): Promise<RungOutcome | undefined> {
    const file = this.rungFile(at, 'outcome')
    if (!existsSync(file)) return undefined
    return parseOutcome(await readText(file), file)
  }

  async writeOutcome(at: NetworkAtRung, outcome: RungOutcome): Promise<void> {
    const file = this.rungFile(at, 'outcome')
    makeFolder(path.dirname(file))
    await writeWhole(file, `${JSON.stringify(outcome)}\n`, { force: true })
  }

  async #read(file: string): Promise<TrainedNetwork> {
    const { state, extra, attachments } = await readCheckpoint(file)
    const model = attachments?.get('model.onnx')
    const { stages, untrained } = extra as Extra
    if (!model) throw inputError(`${file} has no network.`, { where: file })
    return { model: decodeModel(model), state: untrained ? undefined : state, stages }
  }

  async #write(at: NetworkAtRung, which: RungFile, network: TrainedNetwork): Promise<void> {
    const { model, state, stages } = network
    const file = this.rungFile(at, which)
    makeFolder(path.dirname(file))
    await writeCheckpoint(file, {
      fingerprint: 'exploration',
      state: state ?? startingState(new Map()),
      extra: { stages, ...(state ? {} : { untrained: true }) } satisfies Extra,
      attachments: new Map([['model.onnx', encodeModel(model)]]),
    })
  }
}

interface Extra {
  readonly stages: readonly GrowthStage[]
  readonly untrained?: true
}

/** @throws input, saying what is wrong where */
export function readSettings(text: string, file: string): ExplorationSettings {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw inputError(`${file} is not JSON.`, { where: file, cause })
  }
  const { success, data, error } = explorationSettings.safeParse(value)
  if (success) return data
  const [issue] = error.issues
  throw inputError(`${file}: ${issue!.path.join('.')} ${schemaMessage(issue!)}.`, { where: file })
}

/** @throws input where the file cannot be read */
async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw inputError(`${file} cannot be read.`, { where: file, cause })
  }
}

export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex')

/** @throws input where the file is not the one that the settings are of */
export async function readStart(folder: ExplorationFolder, { model }: ExplorationSettings) {
  const file = folder.file('start')
  const bytes = await readWhole(file)
  if (sha256(bytes) !== model)
    throw inputError(`${file} is not the network that the exploration began with.`, { where: file })
  return decodeModel(bytes)
}
