/** net2net explore: many networks that grow from one another, and the best of every size. */
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import type { Command } from 'commander'
import { Net2NetError } from 'net2net'
import { type Exploration, exploreWith, type RungRunner } from 'net2net/exploring'
import { makeFolder, writeWhole } from 'net2net/files'
import { inputError, usageError } from '../../errors.ts'
import { ExplorationFolder } from '../../exploration/exploration-folder.ts'
import { JournalFile, readJournal } from '../../exploration/journal-file.ts'
import { defaultJobs, RungProcesses } from '../../exploration/rung-processes.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import { lockFolder } from '../../processes/folder-lock.ts'
import { loadSubmitRungs } from '../../sweep/queue/load.ts'
import type { CliCommand, Io } from '../command.ts'
import { beyondLimit } from '../costs.ts'
import { mustBeSameSettings, prepared } from '../explore/prepare.ts'
import { explorationView } from '../explore/view.ts'
import { report, saveResults, writeFront } from '../explore/write-results.ts'
import { progress } from '../progress.ts'
import { type ExploreOptions, exploreOptions } from './explore-options.ts'

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
  if (existsSync(folder.path) && !statSync(folder.path).isDirectory())
    throw usageError(`${folder.path} is a file; -o takes a folder.`, { where: folder.path })
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

async function begin(
  folder: ExplorationFolder,
  settings: ExplorationSettings,
  model: Uint8Array,
): Promise<void> {
  await folder.clear()
  await writeWhole(folder.file('start'), model, { force: true })
  await folder.saveSettings(settings)
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

/** @throws as the first network's training, where nothing could be trained */
function mustHaveFound({ networks, front }: Exploration): void {
  if (front.length > 0) return
  const [first] = networks[0]?.rungs ?? []
  if (first?.kind === 'beyond') throw beyondLimit(first.limit, first.value)
  if (first?.kind === 'failed') throw inputError(first.message)
}
