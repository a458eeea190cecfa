/** net2net widen: Net2WiderNet on any model. */

import { type Command, Option } from 'commander'
import { type GrowthStep, growthChoices, type NoiseKind, type WidenInit } from 'net2net'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, headings, type Io } from '../command.ts'
import { type GrowthOptions, growModel, growthOptions } from '../grow-model.ts'
import { type SamplingOptions, samplingOptions } from '../sampling.ts'

interface Options extends GrowthOptions, SamplingOptions {
  readonly init: WidenInit
  readonly noise: NoiseKind
  readonly all?: string
  readonly auto?: string
  readonly kernel?: Readonly<Record<string, number[]>>
}

export const widen: CliCommand = {
  configure(command: Command, io: Io) {
    samplingOptions(
      growthOptions(
        command
          .argument('<model>', 'an ONNX file')
          .argument('[layer=width...]', 'layers and their new widths, or factors: conv1=128 fc1=x2')
          .optionsGroup(headings.growth)
          .option(
            '--auto <share>',
            'widen what pays most by "rank": up to 20% more parameters, say',
          )
          .option('--all <factor>', 'widen every layer that can be widened, for example by x1.5')
          .option(
            '--kernel <layer=size>',
            'a larger kernel, zeros around it: conv1=5, or conv1=3x5',
            parseKernel,
          )
          .addOption(
            new Option('--init <kind>', 'how new units start')
              .choices(growthChoices.widenInit)
              .default('net2wider'),
          )
          .addOption(
            new Option('--noise <kind>', 'what breaks the symmetry of copies')
              .choices(growthChoices.noise)
              .default('zero-sum'),
          ),
      ),
    )
      .addHelpText(
        'after',
        `${examples(
          'widen teacher.onnx conv1=128 fc1=96 -o wider.onnx',
          'widen teacher.onnx "conv*=x2" --dry-run',
          'widen teacher.onnx --all x1.5 -o wider.onnx',
          'widen gpt.onnx h.0.attn.heads=8 "h.*.attn.head-size=64" -o wider.onnx',
          'widen teacher.onnx --kernel conv1=5 -o larger.onnx',
          'widen teacher.onnx fc1=96 --init gradmax --data mnist -o wider.onnx',
          'widen teacher.onnx --auto 20% --data mnist -o wider.onnx',
        )}
A LAYER is a node's name, its weight's name, or an unambiguous part of either; * stands for any
text. Layers that must grow with it (residual streams) do. Of attention, as "inspect" names it,
NAME.heads, NAME.key-value-heads and NAME.head-size (of queries and keys alone NAME.key-size, of values
NAME.value-size) can be given. Only "--noise paper" and
"--init random-pad" change what the model computes. With --data, "--init gradmax" gives new units
the in-weights for which the gradient of their out-weights, which are zero, is largest
(arXiv:2201.05125); --auto starts them so, too.`,
      )
      .action(async (input: string, pairs: readonly string[], options: Options) => {
        const { seed, noise } = options
        if (options.init === 'random-pad' && command.getOptionValueSource('noise') === 'cli')
          throw usageError(
            '--noise breaks the symmetry of copies, and --init random-pad makes none: leave one of them away.',
          )
        const init = initOf(command, options)
        const widths = widthsOf(pairs, options)
        const { kernel } = options
        const isWider = kernel === undefined || Object.keys(widths).length > 0
        const steps: GrowthStep[] = isWider ? [{ widen: widths, seed, init, noise }] : []
        if (kernel) steps.push({ kernel: kernelsOf(kernel) })
        if (isWider && Object.keys(widths).length === 0)
          throw usageError(
            'Widen what? Give layers with their widths (conv1=128 fc1=x2), --all x1.5, --auto 20% or --kernel conv1=5.',
          )
        return growModel(io, { input, options, steps, sampling: options })
      })
  },
}

/** By what pays, or as they are given. */
function widthsOf(
  pairs: readonly string[],
  { all, auto }: Options,
): Readonly<Record<string, string>> {
  if (auto === undefined)
    return { ...(all === undefined ? {} : { '*': all }), ...parseWidths(pairs) }
  if (all !== undefined || pairs.length > 0)
    throw usageError('--auto chooses the layers and their widths: give no others.')
  if (!/^\d+(\.\d+)?%$/.test(auto) || Number.parseFloat(auto) === 0)
    throw usageError(`"${auto}" is not a share of the parameters; write for example 20%.`)
  return { auto }
}

/** How new units start. @throws usage for what needs data, without any */
function initOf(command: Command, { init, auto, data }: Options): WidenInit {
  const chosen =
    auto !== undefined && command.getOptionValueSource('init') !== 'cli' ? 'gradmax' : init
  if (data === undefined && (auto !== undefined || chosen === 'gradmax'))
    throw usageError(
      `${auto === undefined ? '--init gradmax' : '--auto'} measures gradients: give the data with --data.`,
    )
  if (chosen === 'gradmax' && command.getOptionValueSource('noise') === 'cli')
    throw usageError(
      '--noise breaks the symmetry of copies, and --init gradmax makes none: leave one of them away.',
    )
  return chosen
}

/** `conv1=128`; the name itself may hold further `=`. */
export function parseWidths(pairs: readonly string[]): Record<string, string> {
  // A map: a layer may be called as what every object has.
  const widths = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.lastIndexOf('=')
    if (at <= 0 || at === pair.length - 1)
      throw usageError(`"${pair}" is not LAYER=WIDTH; write for example conv1=128 or conv1=x2.`)
    const name = pair.slice(0, at)
    if (widths.has(name)) throw usageError(`The layer ${name} is given twice.`)
    widths.set(name, pair.slice(at + 1))
  }
  return Object.fromEntries(widths)
}

/** `conv1=5`, or a size for each axis as `conv1=3x5`; given as often as there are layers. */
function parseKernel(
  pair: string,
  before: Readonly<Record<string, number[]>> = {},
): Record<string, number[]> {
  const at = pair.lastIndexOf('=')
  const sizes = pair.slice(at + 1)
  if (at <= 0 || !/^\d+(x\d+)*$/.test(sizes))
    throw usageError(`"${pair}" is not LAYER=SIZE; write for example conv1=5 or conv1=3x5.`)
  return Object.fromEntries([
    ...Object.entries(before),
    [pair.slice(0, at), sizes.split('x').map(Number)],
  ])
}

/** One number is for all axes. */
const kernelsOf = (kernels: Readonly<Record<string, number[]>>) =>
  Object.fromEntries(
    Object.entries(kernels).map(([name, sizes]) => [name, sizes.length === 1 ? sizes[0]! : sizes]),
  )
