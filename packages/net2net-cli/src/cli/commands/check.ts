/** net2net check: do two models compute the same function? */

import type { Command } from 'commander'
import { type Comparison, compare } from 'net2net'
import { decodeNpz } from 'net2net/data'
import { readWhole } from 'net2net/files'
import type { Feeds } from 'net2net/runtime'
import { type CliCommand, ExitCode, examples, type Io, printResult } from '../command.ts'
import { integer, number, seed } from '../options.ts'
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
        "largest |Δ| / max(1, |y|) that counts as equal (default: 1e-5, or four times the model's own rounding)",
        number(0),
      )
      .option('--json', 'print one JSON document')
      .addHelpText(
        'after',
        `${examples('check teacher.onnx student.onnx', 'check a.onnx b.onnx --inputs images.npz --json')}
Random inputs: floats are N(0, 1) and uniform on [0, 1) in turn, bytes uniform, other integers
small. Exit code 1 means that the models differ.`,
      )
      .action(async (a: string, b: string, options: Options) => {
        const { samples, tolerance } = options
        const report = await compare(a, b, {
          ...(options.inputs === undefined ? {} : { inputs: [await readInputs(options.inputs)] }),
          samples,
          ...(tolerance === undefined ? {} : { tolerance }),
          seed: options.seed,
          signal: io.signal,
        })
        printResult(io, options.json, report, comparisonText(report))
        if (!report.equal) throw new ExitCode(1)
      })
  },
}

/** The arrays of an .npz file, by name. */
export async function readInputs(file: string): Promise<Feeds> {
  return Object.fromEntries(decodeNpz(await readWhole(file), file))
}

/** The differences as a table, and what they mean. */
export function comparisonText({ equal, tolerance, samples, outputs }: Comparison): string {
  const rows = outputs.map(({ name, maxAbs, maxRel, rounding, problem }) =>
    problem === undefined
      ? [
          name,
          maxAbs.toExponential(2),
          maxRel.toExponential(2),
          rounding === undefined ? '' : `own rounding ${rounding.toExponential(2)}`,
        ]
      : [name, '', '', problem],
  )
  const rounded = outputs.some(({ rounding }) => rounding !== undefined)
  const within = `${tolerance.toExponential()}${rounded ? " or four times the first model's own rounding" : ''}`
  const verdict = equal
    ? `Equal: every output agrees to ${within} on ${samples} sets of inputs.`
    : `Different: some output differs by more than ${within} on ${samples} sets of inputs.`
  return `${table(['output', 'max |Δ|', 'relative', ''], rows)}\n${verdict}`
}
