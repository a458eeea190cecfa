/** The child process that trains networks of an exploration, one after the other; see rung-processes.ts. */
import type { Model } from 'net2net'
import type { ArrayDataset } from 'net2net/data'
import { type RungJob, type RungOutcome, type RungProgress, trainRung } from 'net2net/exploring'
import { nodeRuntime } from 'net2net/runtime'
import { inputError } from '../../errors.ts'
import { ExplorationFolder, readStart } from '../../exploration/exploration-folder.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import { serveParent } from '../../processes/child-process.ts'
import { choicesOf, optimizerOf } from '../commands/train-options.ts'
import { explorationData, trainOptionsOf } from './data.ts'

export interface RungTask {
  readonly job: RungJob
  /** The exploration's folder. */
  readonly folder: string
  readonly settings: ExplorationSettings
  /** In place of the data that the settings name. */
  readonly data?: string | undefined
}

export type RungEvent = { readonly progress: RungProgress } | { readonly outcome: RungOutcome }

/** What tasks of one exploration have in common. */
interface Prepared {
  readonly key: string
  readonly start: Model
  readonly train: ArrayDataset
  readonly validation: ArrayDataset
}

let prepared: Prepared | undefined

async function prepare(
  { folder, settings, data }: RungTask,
  signal: AbortSignal,
): Promise<Prepared> {
  const key = JSON.stringify([folder, settings, data])
  if (prepared?.key === key) return prepared
  const start = await readStart(new ExplorationFolder(folder), settings)
  const spec = data ?? settings.data.spec
  const loaded = await explorationData(
    start,
    { ...settings, data: { ...settings.data, spec } },
    signal,
  )
  if (loaded.fingerprint !== settings.data.fingerprint)
    throw inputError(`${spec} is not the data that the exploration began with.`, { where: spec })
  prepared = { key, start, ...loaded }
  return prepared
}

async function work(
  task: RungTask,
  signal: AbortSignal,
  onEvent: (event: RungEvent) => void,
): Promise<void> {
  const { job, settings } = task
  const { seed, objectives, growth } = settings
  const folder = new ExplorationFolder(task.folder)
  const known = await folder.readOutcome(job)
  if (known) return onEvent({ outcome: known })
  const { start, train, validation } = await prepare(task, signal)
  const options = trainOptionsOf(settings)
  let told = 0
  const outcome = await trainRung(job, start, train, {
    ...choicesOf(options, train),
    optimizer: optimizerOf(options),
    batchSize: options.batchSize,
    session: { device: options.device, threads: options.threads },
    runtime: nodeRuntime,
    validation,
    seed,
    objectives,
    growth,
    store: folder,
    signal,
    onStep: ({ step, until, loss }) => {
      if (Date.now() - told < 250) return
      told = Date.now()
      const { network, rung, steps } = job
      onEvent({ progress: { network, rung, steps, step: steps - (until - step), loss } })
    },
  })
  await folder.writeOutcome(job, outcome)
  onEvent({ outcome })
}

// What runs ends when the parent says so: on SIGTERM, too, it is to save where it is.
serveParent<RungTask, RungEvent>(work, { ignored: ['SIGINT', 'SIGTERM'], keeps: true })
