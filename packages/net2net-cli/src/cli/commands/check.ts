/** net2net check: do two models compute the same function? */

import type { Command } from 'commander'
import { type Comparison, compare } from 'net2net'
import { decodeNpz } from 'net2net/data'
import { readWhole } from 'net2net/files'
import type { Feeds } from 'net2net/runtime'
import { type CliCommand, ExitCode, examples, type Io, printResult } from '../command.ts'
import { integer, number, seed } from '../options.ts'
import { progress } from '../progress.ts'
import { table } from '../table.ts'

interface Options {
  readonly inputs?: string
  readonly samples: number
  readonly seed: number
  readonly tolerance?: number
  readonly json?: true
}

export const check: CliCommand = {
  configure(command: Command, io: Io) {
    command
      .argument('<a>', 'an ONNX file')
      .argument('<b>', 'another one, with the same inputs and outputs')
      .option('--inputs <file>', 'compare on these inputs (.npz, arrays named like the inputs)')
      .option('--samples <n>', 'sets of random inputs', integer(1), 4)
      .option('--seed <n>', 'seed of the random inputs', seed, 0)
      .option(
        '--tolerance <x>',
        "largest difference, relative to the values, that counts as equal (default: 1e-5, or four times the model's own rounding)",
        number(0),
      )
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples('check teacher.onnx student.onnx', 'check a.onnx b.onnx --inputs images.npz --json')}
The parts in which the models differ also run by themselves on random numbers: "Equal" means that a
mistake in any layer that differs would have been seen, whatever the inputs reach. Random inputs:
floats are N(0, 1) and uniform on [0, 1) in turn, bytes uniform, token ids from the whole
vocabulary, masks 0 or 1. Exit code 1: the models differ, or the check cannot tell.`,
      )
      .action(async (a: string, b: string, options: Options) => {
        const { samples, tolerance } = options
        const inputs = options.inputs === undefined ? undefined : await readInputs(options.inputs)
        const view = progress(io)
        const task = view.task('comparing', 100)
        const report = await compare(a, b, {
          ...(inputs && { inputs: [inputs] }),
          samples,
          tolerance,
          seed: options.seed,
          signal: io.signal,
          onProgress: (share) => task.update(Math.floor(100 * share)),
        }).finally(() => view.stop())
        printResult(io, options.json, report, comparisonText(report))
        if (report.equal !== true && report.equal !== 'kept') throw new ExitCode(1)
      })
  },
}

/** The arrays of an .npz file, by name. */
export async function readInputs(file: string): Promise<Feeds> {
  return Object.fromEntries(decodeNpz(await readWhole(file), file))
}

/** The differences as a table, and what they mean. */
export function comparisonText(report: Comparison): string {
  const rows = report.outputs.map(({ name, maxAbs, maxRel, rounding, problem }) =>
    problem === undefined
      ? [
          name,
          maxAbs.toExponential(2),
          maxRel.toExponential(2),
          rounding === undefined ? '' : `own rounding ${rounding.toExponential(2)}`,
        ]
      : [name, '', '', problem],
  )
  return `${table(['output', 'max |Δ|', 'relative', ''], rows)}\n${verdictText(report)}`
}

function verdictText({
  equal,
  tolerance,
  samples,
  outputs,
  notExercised,
  kept = [],
}: Comparison): string {
  const rounded = outputs.some(({ rounding }) => rounding !== undefined)
  const within = `${tolerance.toExponential()}${rounded ? " or four times the first model's own rounding" : ''}`
  const agreement = `every output agrees to ${within} on ${samples} sets of inputs`
  if (equal === null)
    return `Cannot tell: ${agreement}, but a mistake in these layers could have been overlooked: ${namesText(notExercised ?? [])}.
Inputs that make a difference to them would help: give them with --inputs.`
  if (equal === 'kept')
    return `Kept: ${keptText(kept)}; there ${agreement}, and a mistake in any layer that differs would have been seen.`
  return equal
    ? `Equal: ${agreement}, and a mistake in any layer that differs would have been seen.`
    : `Different: some output differs by more than ${within} on ${samples} sets of inputs.`
}

/** Which entries were compared, for each axis that is longer in the second model. */
const keptText = (kept: NonNullable<Comparison['kept']>): string =>
  kept
    .map(({ kind, name, axis, entries, of }) =>
      kind === 'output'
        ? `of the output "${name}" the first ${entries} of ${of} entries of axis ${axis} are compared`
        : `the input "${name}" has ${of} entries instead of ${entries} on axis ${axis}, and the new ones hold anything`,
    )
    .join('; ')

/** The first names of a list, and how many more there are. */
const namesText = (names: readonly string[]): string =>
  names.length > 10
    ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`
    : names.join(', ')
