/** net2net deepen: Net2DeeperNet on any model, and copies of residual blocks. */

import { type Command, Option } from 'commander'
import {
  type CopyOrder,
  type CopyStart,
  type DeepenInit,
  type GrowthStep,
  growthChoices,
  type InsertedBlock,
} from 'net2net'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, headings, type Io } from '../command.ts'
import { type GrowthOptions, growModel, growthOptions } from '../grow-model.ts'
import { integer } from '../options.ts'

interface Options extends GrowthOptions {
  readonly init: DeepenInit
  readonly block: InsertedBlock
  readonly kernel?: number
  readonly repeat?: readonly string[]
  readonly copy?: CopyOrder
  readonly start?: CopyStart
}

const each = (name: string, before: readonly string[] = []) => [...before, name]

export const deepen: CliCommand = {
  configure(command: Command, io: Io) {
    growthOptions(
      command
        .argument('<model>', 'an ONNX file')
        .argument('[layer...]', 'layers to add a layer of the same kind after')
        .optionsGroup(headings.growth)
        .addOption(
          new Option('--init <kind>', 'how the new layers start')
            .choices(growthChoices.deepenInit)
            .default('net2deeper'),
        )
        .addOption(
          new Option('--block <kind>', 'what is inserted: such a layer, or a residual block')
            .choices(growthChoices.block)
            .default('identity'),
        )
        .option(
          '--kernel <size>',
          'kernel size of inserted convolutions (default: that of the layer before)',
          integer(1),
        )
        .option(
          '--repeat <name>',
          'copy the residual block of a layer or a module (h.3), or of all that a pattern fits (h.*)',
          each,
        )
        .addOption(
          new Option('--copy <order>', 'copies of neighbours: a b a b (stack) or a a b b').choices(
            growthChoices.copy,
          ),
        )
        .addOption(
          new Option(
            '--start <kind>',
            'what is zero in a copy: its last weights, or a new gate',
          ).choices(growthChoices.start),
        ),
    )
      .addHelpText(
        'after',
        `${examples(
          'deepen teacher.onnx conv2 fc1 -o deeper.onnx',
          'deepen teacher.onnx conv2 --dry-run --json',
          'deepen teacher.onnx conv2 --kernel 1 -o deeper.onnx',
          'deepen gpt.onnx --repeat "h.*" -o deeper.onnx',
        )}
A new layer starts as the identity, behind the old one's activation; a residual block starts with
a zero branch. Only "--init random-init" changes what the model computes.

--repeat copies what lies between two points of a residual stream: the smallest block that holds a
layer, or all blocks of a module. The copy's last weights start at zero, so that it adds nothing
("--start identity": they are copied, and a gate of zeros is put behind them).`,
      )
      .action((input: string, layers: readonly string[], options: Options) => {
        const { seed, init, block, kernel, repeat = [], copy, start } = options
        if (layers.length === 0 && repeat.length === 0)
          throw usageError('Deepen what? Give layers, or blocks with --repeat.')
        if (repeat.length === 0 && (copy !== undefined || start !== undefined))
          throw usageError('--copy and --start say how blocks are repeated: give --repeat, too.')
        if (kernel !== undefined && layers.length === 0)
          throw usageError('--kernel is of inserted layers: give layers, too.')
        const inserting: GrowthStep = {
          deepen: layers,
          seed,
          init,
          block,
          ...(kernel !== undefined && { kernelSize: kernel }),
        }
        const repeating: GrowthStep = {
          repeat,
          seed,
          ...(copy && { copy }),
          ...(start && { start }),
        }
        const steps = [
          ...(layers.length > 0 ? [inserting] : []),
          ...(repeat.length > 0 ? [repeating] : []),
        ]
        return growModel(io, { input, options, steps })
      })
  },
}
