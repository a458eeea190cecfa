/** net2net report: runs as one self-contained page. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { writeReport } from '../experiments/report/write-node.ts'
import { refuseExisting } from '../onnx/atomic-file.ts'
import { type CliCommand, examples, type Io, printResult } from './command.ts'

interface Options {
  readonly output?: string
  readonly force?: true
  readonly json?: true
}

export const report: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<run...>', 'folders of runs; several are reported together, arm by arm')
      .option('-o, --output <file>', 'the file to write (one run: report.html in its folder)')
      .option('--force', 'replace a file given with -o')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        examples(
          'report runs/mnist-20260131-235959',
          'report runs/seed-0 runs/seed-1 runs/seed-2 -o three-seeds.html',
        ),
      )
      .action((runs: readonly string[], options: Options) => make(io, runs, options))
  },
}

async function make(io: Io, runs: readonly string[], { output, force, json }: Options) {
  const file = output ?? (runs.length === 1 ? join(runs[0]!, 'report.html') : 'report.html')
  // A run's own report is made anew as the run goes on.
  const replace = force === true || (output === undefined && runs.length === 1)
  await refuseExisting(file, replace)
  await writeReport(runs, file, { force: replace })
  printResult(io, json, { report: file, runs }, `Written: ${file}`)
}
