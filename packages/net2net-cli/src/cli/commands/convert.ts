/** net2net convert: networks of other frameworks as ONNX files. */
import type { Command } from 'commander'
import { countParameters, load, save } from 'net2net'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, type Io, printResult } from '../command.ts'
import { grouped } from '../table.ts'

interface Options {
  readonly force?: true
  readonly externalData?: true
  readonly json?: true
}

export const convert: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<from>', 'a network: .keras, .h5 or .onnx')
      .argument('<to>', 'the ONNX file to write')
      .option('--external-data', 'write the weights to a file of their own (automatic above 2 GiB)')
      .option('--force', 'replace the file if it exists')
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples('convert model.keras model.onnx')}
The layers of a Keras network keep their names. What Keras computes while it trains (dropout, batch
statistics) is what net2net train does, too.`,
      )
      .action((from: string, to: string, options: Options) => run(io, from, to, options))
  },
}

async function run(io: Io, from: string, to: string, options: Options): Promise<void> {
  if (/\.(keras|h5|hdf5|pt|pth|safetensors)$/i.test(to))
    throw usageError(
      `${to} would be a file of another framework; convert writes ONNX files only. Give a name that ends with .onnx.`,
      { where: to },
    )
  using model = await load(from)
  await save(model, to, {
    force: options.force,
    externalData: options.externalData,
    signal: io.signal,
  })
  const parameters = countParameters(model)
  printResult(
    io,
    options.json,
    { file: to, parameters },
    `Parameters: ${grouped(parameters)}\nWritten: ${to}`,
  )
}
