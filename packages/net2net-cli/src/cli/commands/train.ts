/** net2net train: train a model on a data set. */

import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { load, save } from 'net2net'
import { buildStep } from 'net2net/training'
import { usageError } from '../../errors.ts'
import { type CliCommand, type Io, printResult } from '../command.ts'
import { dataSetsOf } from '../model-data.ts'
import { optimizerOf } from '../optimizer-options.ts'
import { trainOn } from '../training-run.ts'
import { trainInStages } from '../training-stages.ts'
import { choicesOf, type TrainOptions as Options, trainOptions } from './train-options.ts'
import { refuseUnused } from './unused-options.ts'

export const train: CliCommand = {
  configure(command: Command, io: Io) {
    trainOptions(command).action((file: string, options: Options) => {
      refuseUnused(options)
      return options.exportStep === undefined
        ? run(io, file, options)
        : exportStep(io, file, options.exportStep, options)
    })
  },
}

async function exportStep(io: Io, file: string, output: string, options: Options): Promise<void> {
  const { gradients = false, force = false, json } = options
  if (!force && existsSync(output))
    throw usageError(`${output} exists already; give another name, or replace it with --force.`, {
      where: output,
    })
  const step = buildStep(await load(file), {
    ...choicesOf(options),
    optimizer: optimizerOf(options),
    gradients,
    seed: options.seed,
  })
  for (const { name, reason } of step.left) io.err(`${name} is not trained: ${reason}.\n`)
  await save(step.model, output, { force, signal: io.signal })
  const { inputs, outputs } = step.model.graph
  const value = {
    step: output,
    inputs: inputs.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
  }
  printResult(
    io,
    json,
    value,
    `Written: ${output}\nInputs: ${value.inputs.join(', ')}\nOutputs: ${value.outputs.join(', ')}`,
  )
}

async function run(io: Io, file: string, options: Options): Promise<void> {
  const { data, output } = options
  if (data === undefined) throw usageError('On what? Give the data with --data.')
  if (output === undefined) throw usageError('Where to? Give a folder with -o.')
  if ((options.validation ?? 0) >= 1) throw usageError('--validation must be less than 1.')
  const specs = dataSetsOf(data)
  if (specs.length > 1) {
    const { resume: _, force: __, ...each } = options
    return trainInStages(io, file, specs, { ...options, output }, (from, spec, more, before) =>
      trainOn(io, from, spec, { ...each, ...more }, before),
    )
  }
  const { results, lines } = await trainOn(io, file, data, { ...options, output })
  printResult(io, options.json, results, lines.join('\n'))
}
