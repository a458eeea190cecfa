/** net2net report: runs as one self-contained page. */

import { join } from 'node:path'
import type { Command } from 'commander'
import { readWhole, refuseExisting } from 'net2net/files'
import { usageError } from '../../errors.ts'
import { ExplorationFolder } from '../../exploration/exploration-folder.ts'
import { writeReport } from '../../report/write-report.ts'
import { distinctFolders } from '../../runs/read-run.ts'
import type { SweepSummary } from '../../sweep/analysis/findings.ts'
import type { SweepPlan } from '../../sweep/trial/trial.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { number } from '../options.ts'

interface Options {
  readonly output?: string
  readonly force?: true
  readonly target?: number
  readonly summary?: string
  readonly sweep?: string
  readonly json?: true
}

export const report: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument(
        '<run...>',
        'folders of runs, reported together, arm by arm, each folder once; or the folder of a sweep or exploration',
      )
      .option('-o, --output <file>', 'the file to write (one run: report.html in its folder)')
      .option('--force', 'replace files given with -o or --summary')
      .option('--target <loss>', 'sweeps: the validation loss that times are measured to', number())
      .option(
        '--sweep <file>',
        "sweeps: the sweep file to report, in place of the folder's own (it may hold more or less)",
      )
      .option(
        '--summary <dir>',
        'sweeps: write a summary for a repository (README.md, plots, figures; no networks) instead',
      )
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        examples(
          'report runs/mnist-20260131-235959',
          'report runs/seed-0 runs/seed-1 runs/seed-2 -o three-seeds.html',
          'report runs/study --target 0.03',
          'report runs/study --summary docs/study',
        ),
      )
      .action((runs: readonly string[], options: Options) => make(io, runs, options))
  },
}

async function make(io: Io, given: readonly string[], options: Options) {
  const { output, force, json } = options
  // Loaded where it is needed: the command line starts without it.
  const sweeps = await import('../../sweep/report/write-report.ts')
  const runs = await distinctFolders(given)
  const isSweep = runs.some(sweeps.holdsSweep)
  const isExploration = runs.some(ExplorationFolder.isExploration)
  if (isExploration && runs.length > 1)
    throw usageError('An exploration is reported by itself: give one folder.')
  if (isSweep && runs.length > 1)
    throw usageError('A sweep is reported by itself: give one folder.')
  const { target } = options
  const only = (['target', 'sweep', 'summary'] as const).find((name) => options[name] !== undefined)
  if (!isSweep && only !== undefined)
    throw usageError(`--${only} is for sweeps, and ${runs.join(', ')} holds none.`)
  const plan = options.sweep === undefined ? undefined : await readSweepFile(options.sweep)
  const settings = { target, plan }
  if (options.summary !== undefined) {
    if (output !== undefined)
      throw usageError('--summary writes several files into its folder: leave -o away.')
    const { summary, files } = await sweeps.writeSweepSummary(runs[0]!, options.summary, {
      ...settings,
      force: force === true,
    })
    const text = [...sentencesOf(summary), `Written: ${files.join(', ')}`].join('\n')
    return printResult(io, json, { files, summary }, text)
  }
  const file = output ?? (runs.length === 1 ? join(runs[0]!, 'report.html') : 'report.html')
  // A run's own report is made anew as the run goes on.
  const replace = force === true || (output === undefined && runs.length === 1)
  await refuseExisting(file, replace)
  if (isSweep) {
    const { summary, markdown } = await sweeps.writeSweepReport(runs[0]!, file, {
      ...settings,
      force: replace,
    })
    printResult(
      io,
      json,
      { report: file, markdown, summary },
      [...sentencesOf(summary), `Written: ${file} and ${markdown}`].join('\n'),
    )
    return
  }
  if (isExploration) {
    const { writeExplorationReport } = await import('../../exploration/report/report.ts')
    await writeExplorationReport(runs[0]!, file, replace)
  } else await writeReport(runs, file, { force: replace })
  printResult(io, json, { report: file, runs }, `Written: ${file}`)
}

async function readSweepFile(file: string): Promise<SweepPlan> {
  const { readSweep } = await import('../../sweep/file/sweep-plan.ts')
  const source = new TextDecoder().decode(await readWhole(file))
  return readSweep(source, file)
}

const sentencesOf = ({ experiments }: SweepSummary): readonly string[] =>
  experiments.flatMap(({ name, comparisons }) => [
    ...(comparisons.length > 0 ? [name] : []),
    ...comparisons.map(({ sentence }) => `  ${sentence}`),
  ])
