/** What an exploration has come to: the front's files, explore.json, and what is printed at the end. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { save } from 'net2net'
import type { Entry, Exploration, ExplorationEvent } from 'net2net/exploring'
import { makeFolder, writeWhole } from 'net2net/files'
import { formatRecipe, formatTrainingRecipe } from 'net2net/recipe'
import { type ExplorationFolder, explorationFiles } from '../../exploration/exploration-folder.ts'
import {
  bestFile,
  type ExplorationResults,
  type FrontRecord,
  frontFiles,
  frontRecord,
  trialRecord,
} from '../../exploration/results.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import { type Io, printResult } from '../command.ts'
import type { ExploreOptions } from '../commands/explore-options.ts'
import { table } from '../table.ts'

/** Each network of the front with its recipes, and the best one; what is no longer on the front goes. */
export async function writeFront(
  folder: ExplorationFolder,
  front: readonly Entry[],
): Promise<void> {
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

export async function saveResults(
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

export function report(
  io: Io,
  { json, output }: ExploreOptions,
  results: ExplorationResults,
): void {
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
