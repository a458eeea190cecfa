/** The child process that trains networks of an exploration, one after the other; see exploration/rung-processes.ts. */
import type { Model } from 'net2net'
import type { SampleSet } from 'net2net/data'
import { type NetworkStore, trainRung } from 'net2net/exploring'
import { nodeRuntime } from 'net2net/runtime'
import { inputError } from '../../errors.ts'
import { ExplorationFolder, readStart } from '../../exploration/exploration-folder.ts'
import type { RungEvent, RungTask } from '../../exploration/rung-processes.ts'
import { serveParent } from '../../processes/child-process.ts'
import { choicesOf } from '../commands/train-options.ts'
import { optimizerOf } from '../optimizer-options.ts'
import { explorationData, trainOptionsOf } from './data.ts'

/** What tasks of one exploration have in common. */
interface Prepared {
  readonly key: string
  readonly folder: ExplorationFolder
  readonly store: NetworkStore
  readonly start: Model
  readonly train: SampleSet
  readonly validation: SampleSet
}

let prepared: Prepared | undefined
/** Of the task that is being done. */
let tell: ((event: RungEvent) => void) | undefined

async function prepare(
  { folder: path, settings, data }: RungTask,
  signal: AbortSignal,
): Promise<Prepared> {
  const key = JSON.stringify([path, settings, data])
  if (prepared?.key === key) return prepared
  const folder = new ExplorationFolder(path)
  const store: NetworkStore = {
    read: (at) => folder.read(at),
    write: (at, network) => folder.write(at, network),
    readUnfinished: (at) => folder.readUnfinished(at),
    writeUnfinished: async (at, network) => {
      await folder.writeUnfinished(at, network)
      tell?.({ unfinished: folder.rungFile(at, 'unfinished') })
    },
  }
  const start = await readStart(folder, settings)
  const spec = data ?? settings.data.spec
  const loaded = await explorationData(
    start,
    { ...settings, data: { ...settings.data, spec } },
    signal,
  )
  if (loaded.fingerprint !== settings.data.fingerprint)
    throw inputError(`${spec} is not the data that the exploration began with.`, { where: spec })
  prepared = { key, folder, store, start, ...loaded }
  return prepared
}

async function work(
  task: RungTask,
  signal: AbortSignal,
  onEvent: (event: RungEvent) => void,
): Promise<void> {
  const { job, settings } = task
  const { seed, objectives, growth } = settings
  const known = await new ExplorationFolder(task.folder).readOutcome(job)
  if (known) return onEvent({ outcome: known })
  const { folder, store, start, train, validation } = await prepare(task, signal)
  tell = onEvent
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
    store,
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
