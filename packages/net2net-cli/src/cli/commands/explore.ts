/** net2net explore: many networks that grow from one another, and the best of every size. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { encodeModel, load, type Model, Net2NetError, save } from 'net2net'
import {
  type Entry,
  type Exploration,
  type ExplorationEvent,
  exploreWith,
  growthCandidates,
  type RungRunner,
} from 'net2net/exploring'
import { makeFolder, writeWhole } from 'net2net/files'
import { formatRecipe, formatTrainingRecipe } from 'net2net/recipe'
import { nodeRuntime } from 'net2net/runtime'
import { evaluate, withParameters } from 'net2net/training'
import { inputError, refusedError, usageError } from '../../errors.ts'
import {
  ExplorationFolder,
  explorationFiles,
  sha256,
} from '../../exploration/exploration-folder.ts'
import { JournalFile, readJournal } from '../../exploration/journal-file.ts'
import {
  bestFile,
  type ExplorationResults,
  type FrontRecord,
  frontFiles,
  frontRecord,
  trialRecord,
} from '../../exploration/results.ts'
import { defaultJobs, RungProcesses } from '../../exploration/rung-processes.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import { lockFolder } from '../../processes/folder-lock.ts'
import { loadSubmitRungs } from '../../sweep/queue/load.ts'
import { type CliCommand, type Io, printResult } from '../command.ts'
import { beyondLimit, mustBeWithin, mustKnowMultiplyAdds } from '../costs.ts'
import { explorationData, trainOptionsOf } from '../explore/data.ts'
import { explorationView } from '../explore/view.ts'
import { type DataOptions, dataOptionsOf } from '../model-data.ts'
import { progress } from '../progress.ts'
import { table } from '../table.ts'
import { type ExploreOptions, exploreOptions, settingsOf } from './explore-options.ts'
import { choicesOf } from './train-options.ts'

export const explore: CliCommand = {
  configure(command: Command, io: Io) {
    exploreOptions(command).action((file: string, options: ExploreOptions) =>
      run(io, file, options),
    )
  },
}

async function run(io: Io, file: string, options: ExploreOptions): Promise<void> {
  const { output, follow } = options
  if (options.data === undefined) throw usageError('On what? Give the data with --data.')
  if (output === undefined) throw usageError('Where to? Give a folder with -o.')
  const { budget: seconds, trials, steps } = options
  if (seconds === undefined && trials === undefined && steps === undefined)
    throw usageError('How long? Give --budget, --trials or --steps.')
  if (steps !== undefined && steps < options.rungSteps)
    throw usageError(
      `The first rung alone takes ${options.rungSteps} steps: give more --steps than ${steps}, or fewer --rung-steps.`,
    )
  const followed = follow === undefined ? undefined : await readFollowed(follow)
  const folder = new ExplorationFolder(output)
  const resume = await mustBeFree(folder, options)
  const { settings, bytes } = await prepared(io, file, options)
  makeFolder(output)
  const unlock = lockFolder(output, 'an exploration')
  const view = explorationView(progress(io), { seconds, trials, steps })
  let journal: JournalFile | undefined
  let crew: Crew | undefined
  let hasMade = false
  try {
    if (resume) await mustBeSameSettings(folder, settings)
    else await begin(folder, settings, bytes)
    journal = await JournalFile.open(folder.file('journal'))
    crew = await crewOf(io, options, folder, settings, (note) => view.note(note))
    const { seed, rungs, randomShare, objectives } = settings
    const exploration = exploreWith(
      { seed, rungs, randomShare, objectives, budget: { seconds, trials, steps } },
      {
        runner: crew.runner,
        jobs: options.jobs ?? crew.jobs,
        journal,
        follow: followed,
        signal: io.signal,
        onProgress: (made) => view.progress(made),
      },
    )
    view.begin(exploration)
    if (exploration.front.length > 0) await writeFront(folder, exploration.front)
    for await (const event of exploration) {
      view.event(event, exploration)
      if (event.kind === 'start') continue
      hasMade = exploration.front.length > 0
      await writeFront(folder, exploration.front)
      await saveResults(folder, settings, exploration, event)
      await folder.keepNetworks(exploration.needed)
    }
    view.stop()
    const results = await saveResults(folder, settings, exploration, { kind: 'end' })
    const { writeExplorationReport } = await import('../../exploration/report/report.ts')
    await writeExplorationReport(output, folder.file('report'))
    report(io, options, results)
    mustHaveFound(exploration)
  } catch (error) {
    if (!(error instanceof Net2NetError) || error.kind !== 'interrupted') {
      // An exploration that cannot begin leaves nothing behind.
      if (!resume && !hasMade) await folder.clear()
      throw error
    }
    const reason: unknown = io.signal.reason
    if (!(reason instanceof Net2NetError)) throw error
    throw new Net2NetError(
      'interrupted',
      `${reason.message} What was done is in ${output}; go on with --resume.`,
      { where: reason.where },
    )
  } finally {
    view.stop()
    await crew?.close()
    await journal?.close()
    unlock()
  }
}

/** Who trains. */
interface Crew {
  readonly runner: RungRunner
  /** How many networks train at a time, where nobody says it. */
  readonly jobs: number
  close(): Promise<void> | void
}

async function crewOf(
  io: Io,
  { queue, queueName, commonFolder }: ExploreOptions,
  folder: ExplorationFolder,
  settings: ExplorationSettings,
  onNote: (note: string) => void,
): Promise<Crew> {
  if (queue !== undefined) {
    const { submitRungs } = await loadSubmitRungs()
    const submitted = await submitRungs(folder, settings, {
      url: queue,
      queue: queueName,
      commonFolder: commonFolder === true,
      signal: io.signal,
      onNote,
    })
    return { runner: submitted, jobs: 4, close: () => submitted.close() }
  }
  const processes = new RungProcesses()
  return {
    runner: {
      run: (job, options) => processes.run({ job, folder: folder.path, settings }, options),
    },
    jobs: defaultJobs(settings.training.threads),
    close: () => processes.close(),
  }
}

/**
 * Whether an exploration is gone on with: one that was killed before it began begins.
 *
 * @throws usage where there is something, and what to do with it was not said
 */
async function mustBeFree(
  folder: ExplorationFolder,
  { resume, force, queue, queueName, commonFolder }: ExploreOptions,
): Promise<boolean> {
  if (queue === undefined && (queueName !== undefined || commonFolder))
    throw usageError('--queue-name and --common-folder are for --queue.')
  const isThere = ExplorationFolder.isExploration(folder.path)
  const found = existsSync(folder.path) ? await readdir(folder.path) : []
  const others = found.filter((name) => !leftBehind.some((pattern) => pattern.test(name)))
  const hasBegun = isThere || (found.length > 0 && others.length === 0)
  if (resume && !hasBegun)
    throw usageError(`There is no exploration in ${folder.path} to go on with.`, {
      where: folder.path,
    })
  if (!resume && isThere && !force)
    throw usageError(
      `${folder.path} has an exploration already; go on with --resume, or replace it with --force.`,
      { where: folder.path },
    )
  if (!isThere && !force && others.length > 0)
    throw usageError(
      `The folder ${folder.path} is not empty; choose another one, or say --force to use it.`,
      { where: folder.path },
    )
  return resume === true && isThere
}

/** What an exploration leaves that was killed before it began. */
const leftBehind: readonly RegExp[] = [
  /^start\.onnx$/,
  /^networks$/,
  /^running\.json$/,
  /^\..*\.tmp$/,
]

/** The network, and what decides the exploration; whatever does not fit fails here. */
async function prepared(
  io: Io,
  file: string,
  options: ExploreOptions,
): Promise<{ readonly settings: ExplorationSettings; readonly bytes: Uint8Array }> {
  const { validation } = options
  const spec = options.data!
  if ((validation ?? 0) >= 1) throw usageError('--validation must be less than 1.')
  // As training sees it, with parameters apart that an exporter merged: recipes of networks fit the file that is kept.
  const model = withParameters(await load(file), new Map())
  const bytes = encodeModel(model)
  const chosen = settingsOf(options)
  mustBeWithin(model, chosen.objectives.limits)
  mustKnowMultiplyAdds(model, chosen.objectives.against)
  mustGrow(model, chosen.growth)
  const data = {
    spec,
    options: given(dataOptionsOf(options)),
    ...(validation === undefined ? {} : { validation }),
  }
  const loaded = await explorationData(model, { ...chosen, data }, io.signal, (note) =>
    io.err(`${note}\n`),
  )
  // Data that do not fit the network are refused in words of their own.
  await evaluate(model, loaded.validation, {
    loss: choicesOf(trainOptionsOf(chosen), loaded.train).loss,
    ...(chosen.objectives.metric === undefined
      ? {}
      : { metrics: [chosen.objectives.metric], intervals: false }),
    runtime: nodeRuntime,
    signal: io.signal,
  })
  const { fingerprint } = loaded
  return {
    settings: { format: 3, model: sha256(bytes), data: { ...data, fingerprint }, ...chosen },
    bytes,
  }
}

/** @throws usage for layers that there are not; refused where nothing of these can grow in these ways */
function mustGrow(model: Model, growth: ExplorationSettings['growth']): void {
  const candidates = Object.values(growthCandidates(model, growth)).flat()
  if (candidates.length === 0)
    throw refusedError(
      `Nothing of this network can grow by ${growth.operations.join(', ')} of ${growth.layers.join(', ')}.`,
      { hint: 'net2net inspect says what can, and why the rest cannot.' },
    )
}

/** Those that were given, as JSON has them. */
const given = (options: DataOptions): ExplorationSettings['data']['options'] =>
  JSON.parse(JSON.stringify(options))

async function begin(
  folder: ExplorationFolder,
  settings: ExplorationSettings,
  model: Uint8Array,
): Promise<void> {
  await folder.clear()
  await writeWhole(folder.file('start'), model, { force: true })
  await folder.saveSettings(settings)
}

/** @throws usage where the folder's exploration has other settings */
async function mustBeSameSettings(
  folder: ExplorationFolder,
  settings: ExplorationSettings,
): Promise<void> {
  const before = await folder.readSettings()
  // Which samples are held back depends on the others.
  const { data, ...others } = settings
  const wanted = Object.entries({ ...others, data })
  const known = new Map(Object.entries(before))
  const [other] =
    wanted.find(([name, value]) => JSON.stringify(known.get(name)) !== JSON.stringify(value)) ?? []
  if (other)
    throw usageError(
      `The exploration in ${folder.path} has other settings (${other}: ${JSON.stringify(known.get(other))}).`,
      { where: folder.path, hint: 'Give all options of that exploration again.' },
    )
}

async function readFollowed(folder: string) {
  const file = new ExplorationFolder(folder).file('journal')
  const records = await readJournal(file)
  if (records.length === 0)
    throw inputError(`${folder} has no exploration to follow: ${file} is missing or empty.`, {
      where: folder,
    })
  return records
}

/** Each network of the front with its recipes, and the best one; what is no longer on the front goes. */
async function writeFront(folder: ExplorationFolder, front: readonly Entry[]): Promise<void> {
  makeFolder(join(folder.path, 'front'))
  const names = new Set(front.flatMap((entry) => Object.values(frontFiles(entry))))
  for (const [i, entry] of front.entries()) {
    const { file, recipe, trainingRecipe } = frontFiles(entry)
    const path = join(folder.path, file)
    // The same network at the same rung is the same file; it is written last.
    if (!existsSync(path)) {
      const { model, stages } = await folder.read(entry)
      const steps = stages.flatMap((stage) => stage.steps)
      const texts = [
        [recipe, formatRecipe({ version: 1, steps })],
        [trainingRecipe, formatTrainingRecipe(stages)],
      ] as const
      for (const [name, text] of texts)
        if (name !== null) await writeWhole(join(folder.path, name), text, { force: true })
      await save(model, path, { force: true })
    }
    if (i === 0)
      await writeWhole(join(folder.path, bestFile), await readFile(path), { force: true })
  }
  await folder.keepInFront(names)
}

async function saveResults(
  folder: ExplorationFolder,
  { objectives }: ExplorationSettings,
  exploration: Exploration,
  { kind }: Pick<ExplorationEvent, 'kind'>,
): Promise<ExplorationResults> {
  const { front, networks, spent } = exploration
  const results: ExplorationResults = {
    best: front.length > 0 ? bestFile : null,
    front: front.map((entry) => frontRecord(entry, networks)),
    trials: networks.filter(({ rungs: [first] }) => first?.kind !== 'exhausted').map(trialRecord),
    directory: folder.path,
    finished: kind === 'end',
    objectives: { ...objectives, metric: objectives.metric ?? 'valLoss' },
    spent,
  }
  await writeWhole(folder.file('results'), `${JSON.stringify(results, null, 2)}\n`, { force: true })
  return results
}

function report(io: Io, { json, output }: ExploreOptions, results: ExplorationResults): void {
  const { front, spent, trials, objectives } = results
  const { metric, against, limits } = objectives
  const isMeasured = (cost: 'latency' | 'size') =>
    against.includes(cost) || limits[cost] !== undefined
  const columns: readonly (readonly [string, (one: FrontRecord) => string])[] = [
    ['network', ({ network }) => String(network)],
    ['from', ({ parent }) => (parent === null ? '' : String(parent))],
    ['parameters', ({ parameters }) => parameters.toLocaleString('en')],
    ['multiply-adds', ({ multiplyAdds }) => multiplyAdds?.toLocaleString('en') ?? ''],
    ...(isMeasured('latency')
      ? [['latency (ms)', ({ latency }: FrontRecord) => latency?.toPrecision(3) ?? ''] as const]
      : []),
    ...(isMeasured('size')
      ? [['size (bytes)', ({ size }: FrontRecord) => size.toLocaleString('en')] as const]
      : []),
    ['val loss', ({ valLoss }) => valLoss.toFixed(4)],
    ...(metric === 'valLoss'
      ? []
      : [[metric, ({ metrics }: FrontRecord) => metrics?.[metric]?.toFixed(4) ?? ''] as const]),
    ['file', ({ file }) => file],
  ]
  const header = columns.map(([name]) => name)
  const rows = front.map((one) => columns.map(([, text]) => text(one)))
  printResult(
    io,
    json,
    results,
    [
      table(header, rows),
      '',
      `${trials.length} networks, ${spent.steps.toLocaleString('en')} steps. Best: ${join(output!, bestFile)}`,
      `Report: ${join(output!, explorationFiles.report)}`,
    ].join('\n'),
  )
}

/** @throws as the first network's training, where nothing could be trained */
function mustHaveFound({ networks, front }: Exploration): void {
  if (front.length > 0) return
  const [first] = networks[0]?.rungs ?? []
  if (first?.kind === 'beyond') throw beyondLimit(first.limit, first.value)
  if (first?.kind === 'failed') throw inputError(first.message)
}
