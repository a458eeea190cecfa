/** net2net merge: low-rank adapters become part of the weights. */

import type { Command } from 'commander'
import { compare, countParameters, load, mergeAdapters, Net2NetError, stage } from 'net2net'
import { refuseExisting } from 'net2net/files'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { worst } from '../grow-model.ts'
import { progress } from '../progress.ts'
import { grouped } from '../table.ts'
import { comparisonText, readInputs } from './check.ts'

interface Options {
  readonly output?: string
  readonly inputs?: string
  readonly externalData?: true
  readonly force?: true
  readonly json?: true
}

export const merge: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<model>', 'an ONNX file with adapters, as net2net lora and train write them')
      .option('-o, --output <file>', 'the file to write')
      .option('--inputs <file>', 'check on these inputs (.npz) instead of random ones')
      .option('--external-data', 'write the weights to a file of their own (automatic above 2 GiB)')
      .option('--force', 'replace the output file if it exists')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples('merge runs/adapted/model.onnx -o merged.onnx')}
Each weight becomes W + (alpha / rank) · B·A, and the adapters go: the model computes the same, and is
as large as it was before net2net lora. The result is compared with the model before it is written.`,
      )
      .action((input: string, options: Options) => run(io, input, options))
  },
}

async function run(io: Io, input: string, options: Options): Promise<void> {
  const { output, force, externalData, json } = options
  if (output === undefined) throw usageError('Where to? Give the file to write with -o.')
  await refuseExisting(output, force)
  const { signal } = io
  const model = await load(input)
  const merged = await mergeAdapters(model, { signal })
  const inputs = options.inputs === undefined ? {} : { inputs: [await readInputs(options.inputs)] }
  const view = progress(io)
  const staged = await stage(merged, output, { force, externalData, signal })
  const task = view.task('Checking', 100)
  try {
    const onProgress = (share: number) => task.update(Math.floor(100 * share))
    const check = await compare(model, staged.model, { signal, onProgress, ...inputs })
    if (check.equal === false)
      throw new Net2NetError(
        'difference',
        `The merged model does not compute what ${input} computes (${worst(check)}), so nothing was written.`,
      )
    await staged.publish()
    const [before, after] = [model, merged].map(countParameters)
    printResult(
      io,
      json,
      { parameters: { before, after }, check },
      `Parameters: ${grouped(before!)} → ${grouped(after!)}\n\n${comparisonText(check)}\nWritten: ${output}`,
    )
  } finally {
    await staged.discard()
    view.stop()
  }
}
