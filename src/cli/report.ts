/** net2net report: runs as one self-contained page. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { usageError } from '../errors.ts'
import { writeReport } from '../experiments/report/write-node.ts'
import { SweepFolder } from '../experiments/sweep/node/sweep-folder.ts'
import { refuseExisting } from '../onnx/atomic-file.ts'
import { type CliCommand, examples, type Io, printResult } from './command.ts'
import { number } from './options.ts'

interface Options {
  readonly output?: string
  readonly force?: true
  readonly target?: number
  readonly json?: true
}

export const report: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument(
        '<run...>',
        'folders of runs, reported together, arm by arm; or the folder of a sweep',
      )
      .option('-o, --output <file>', 'the file to write (one run: report.html in its folder)')
      .option('--force', 'replace a file given with -o')
      .option('--target <loss>', 'sweeps: the validation loss that times are measured to', number())
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        examples(
          'report runs/mnist-20260131-235959',
          'report runs/seed-0 runs/seed-1 runs/seed-2 -o three-seeds.html',
          'report runs/study --target 0.03',
        ),
      )
      .action((runs: readonly string[], options: Options) => make(io, runs, options))
  },
}

async function make(io: Io, runs: readonly string[], { output, force, target, json }: Options) {
  const file = output ?? (runs.length === 1 ? join(runs[0]!, 'report.html') : 'report.html')
  // A run's own report is made anew as the run goes on.
  const replace = force === true || (output === undefined && runs.length === 1)
  await refuseExisting(file, replace)
  if (runs.some(SweepFolder.isSweep)) {
    if (runs.length > 1) throw usageError('A sweep is reported by itself: give one folder.')
    const { writeSweepReport } = await import('../experiments/sweep/node/report-node.ts')
    const { summary, markdown } = await writeSweepReport(runs[0]!, file, target)
    const text = summary.experiments.flatMap(({ name, comparisons }) => [
      ...(comparisons.length > 0 ? [name] : []),
      ...comparisons.map(({ sentence }) => `  ${sentence}`),
    ])
    printResult(
      io,
      json,
      { report: file, markdown, summary },
      [...text, `Written: ${file} and ${markdown}`].join('\n'),
    )
    return
  }
  await writeReport(runs, file, { force: replace })
  printResult(io, json, { report: file, runs }, `Written: ${file}`)
}
