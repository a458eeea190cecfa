/** net2net grow: several steps of growth, by a recipe. */

import type { Command } from 'commander'
import { readWhole } from 'net2net/files'
import { formatRecipe, parseRecipe } from 'net2net/recipe'
import { usageError } from '../../errors.ts'
import { type CliCommand, examples, type Io } from '../command.ts'
import { type GrowthOptions, growModel, growthOptions } from '../grow-model.ts'
import { type SamplingOptions, samplingOptions } from '../sampling.ts'

export const grow: CliCommand = {
  configure(command: Command, io: Io) {
    samplingOptions(
      growthOptions(
        command
          .argument('<recipe>', 'a YAML or JSON file of steps')
          .argument('<model>', 'an ONNX file'),
      ),
    )
      .addHelpText(
        'after',
        `${examples('grow recipe.yaml teacher.onnx -o student.onnx')}
A recipe:
  seed: 1
  steps:
    - widen: { conv1: 128, fc*: x1.5 }
    - deepen: [conv2, fc1]
    - repeat: layers.*
With --data also:
    - widen: { fc1: 96 }
      init: gradmax            # new units begin where the gradient is largest (arXiv:2201.05125)
    - widen: { auto: 20% }     # what pays most by "rank", up to 20% more parameters

The recipe with every seed and map written down is saved beside the output as OUT.recipe.yaml; it
replays to the same bits. "seed" in the recipe comes before --seed.`,
      )
      .action(async (file: string, input: string, options: GrowthOptions & SamplingOptions) => {
        const { output } = options
        if (/\.onnx$/i.test(file))
          throw usageError(`The recipe comes first, and ${file} is named as a model is.`, {
            hint: `Write: net2net grow RECIPE ${file}`,
          })
        const text = new TextDecoder().decode(await readWhole(file))
        const { seed = options.seed, steps } = parseRecipe(text, file)
        await growModel(io, {
          input,
          options,
          sampling: options,
          steps,
          seed,
          beside: {
            name: `${output}.recipe.yaml`,
            content: (grown) => formatRecipe({ version: 1, seed, steps: grown.steps }),
          },
        })
      })
  },
}
