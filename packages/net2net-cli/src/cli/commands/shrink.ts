/** net2net shrink: the way back from growth. */

import type { Command } from 'commander'
import { type CliCommand, examples, type Io } from '../command.ts'
import { type GrowthOptions, growModel, growthOptions } from '../grow-model.ts'

export const shrink: CliCommand = {
  configure(command: Command, io: Io) {
    growthOptions(
      command
        .argument('<model>', 'an ONNX file')
        .argument('[layer...]', 'layers to take units from, or to take out; all without one'),
    )
      .addHelpText(
        'after',
        `${examples('shrink student.onnx -o small.onnx', 'shrink student.onnx "conv*" --dry-run')}
Units that are copies of one another become one, and units that nothing depends on go, as do
layers that compute the identity and residual blocks that add zero. What the model computes stays
the same. Copies that were trained, or grown with noise in what they read, are no copies any more.`,
      )
      .action((input: string, layers: readonly string[], options: GrowthOptions) =>
        growModel(io, {
          input,
          options,
          steps: [{ shrink: layers.length > 0 ? layers : ['*'] }],
        }),
      )
  },
}
