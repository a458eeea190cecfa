/** net2net lora: low-rank adapters, which are trained in the place of the weights. */

import type { Command } from 'commander'
import { type CliCommand, examples, headings, type Io } from '../command.ts'
import { type GrowthOptions, growModel, growthOptions } from '../grow-model.ts'
import { integer, list, number } from '../options.ts'

interface Options extends GrowthOptions {
  readonly rank: number
  readonly alpha?: number
  readonly targets?: readonly string[]
}

export const lora: CliCommand = {
  configure(command: Command, io: Io) {
    growthOptions(
      command
        .argument('<model>', 'an ONNX file')
        .argument('[layer...]', 'layers whose weights get an adapter; all without one')
        .optionsGroup(headings.growth)
        .option('--targets <patterns>', 'the same as a list: "*.q_proj,*.v_proj"', list)
        .option('--rank <n>', 'rank of the adapters', integer(1), 8)
        .option('--alpha <x>', 'they count alpha / rank (default: the rank)', number(0)),
    )
      .addHelpText(
        'after',
        `${examples(
          'lora model.onnx --rank 8 --targets "*.q_proj,*.v_proj" -o adapted.onnx',
          'train adapted.onnx --data texts.npz -o runs/adapted',
          'merge runs/adapted/model.onnx -o merged.onnx',
        )}
A layer then computes with W + (alpha / rank) · B·A. B is zero at first: what the model computes stays
the same. train trains A and B alone (--train-only names others), and merge writes the sum into W.
Dense and convolutional layers can have adapters.`,
      )
      .action((input: string, layers: readonly string[], options: Options) => {
        const { rank, alpha, seed, targets = [] } = options
        const chosen = [...layers, ...targets]
        return growModel(io, {
          input,
          options,
          steps: [
            {
              lora: chosen.length > 0 ? chosen : ['*'],
              rank,
              seed,
              ...(alpha === undefined ? {} : { alpha }),
            },
          ],
        })
      })
  },
}
