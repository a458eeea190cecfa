/** net2net deepen: Net2DeeperNet on any model. */

import { type Command, Option } from 'commander'
import { type CliCommand, examples, type Io } from '../command.ts'
import { type GrowthOptions, growModel, growthOptions } from '../grow-model.ts'

interface Options extends GrowthOptions {
  readonly init: 'net2deeper' | 'random-init'
  readonly block: 'identity' | 'residual'
}

export const deepen: CliCommand = {
  configure(command: Command, io: Io) {
    growthOptions(
      command
        .argument('<model>', 'an ONNX file')
        .argument('<layer...>', 'layers to add a layer of the same kind after')
        .addOption(
          new Option('--init <kind>', 'how the new layers start')
            .choices(['net2deeper', 'random-init'])
            .default('net2deeper'),
        )
        .addOption(
          new Option('--block <kind>', 'what is inserted: such a layer, or a residual block')
            .choices(['identity', 'residual'])
            .default('identity'),
        ),
    )
      .addHelpText(
        'after',
        `${examples(
          'deepen teacher.onnx conv2 fc1 -o deeper.onnx',
          'deepen teacher.onnx conv2 --dry-run --json',
        )}
A new layer starts as the identity, behind the old one's activation; a residual block starts with
a zero branch. Only "--init random-init" changes what the model computes.`,
      )
      .action((input: string, layers: readonly string[], options: Options) => {
        const { seed, init, block } = options
        return growModel(io, { input, options, steps: [{ deepen: layers, seed, init, block }] })
      })
  },
}
