/**
 * Training recipes: when a network grows while it trains, and how, in YAML or JSON.
 *
 *   stages:
 *     - when: { epoch: 2 }        # or { step: 500 }, or { plateau: 2 } (epochs without a better loss)
 *       learningRate: 0.1         # what the learning rate is multiplied by; 0.1 if left out
 *       steps:                    # as in a growth recipe
 *         - widen: { conv1: x2 }
 *         - deepen: [fc1]
 */
import { parse } from 'yaml'
import { z } from 'zod'
import { inputError, Net2NetError } from '../errors.ts'
import { parseRecipe } from '../growth/index.ts'
import type { GrowthMoment, GrowthStage } from './growth-schedule.ts'

const moments = z.union([
  z.strictObject({ epoch: z.int().positive() }),
  z.strictObject({ step: z.int().positive() }),
  z.strictObject({ plateau: z.int().positive() }),
])
const momentHelp = 'when must be one of epoch, step and plateau, with a whole number from 1 on'

const recipe = z.strictObject({
  seed: z.int().exactOptional(),
  stages: z
    .array(
      z.strictObject({
        when: moments,
        learningRate: z.number().positive().exactOptional(),
        steps: z.array(z.unknown()).min(1),
      }),
    )
    .min(1),
})

/**
 * Reads a training recipe.
 *
 * @param text YAML, or JSON (which is YAML too)
 * @param file its name, for messages
 * @throws input, naming the field that is wrong
 */
export function parseTrainingRecipe(text: string, file = 'recipe'): readonly GrowthStage[] {
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 100 })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'cannot be read'
    throw inputError(`${file}: ${reason}`, { where: file, cause })
  }
  const result = recipe.safeParse(value)
  if (!result.success) {
    const [issue] = result.error.issues
    const where = [file, ...issue!.path.map(String)].join('.')
    const reason = issue!.path.at(-1) === 'when' ? momentHelp : issue!.message
    throw inputError(`${where}: ${reason}.`, { where })
  }
  const { seed = 0, stages } = result.data
  return stages.map(({ when, learningRate, steps }, i): GrowthStage => {
    const where = `${file}.stages.${i}`
    try {
      return {
        when: when as GrowthMoment,
        steps: parseRecipe(JSON.stringify({ steps }), where).steps,
        // Equal stages draw different maps.
        seed: seed + 1000 * i,
        ...(learningRate === undefined ? {} : { learningRateFactor: learningRate }),
      }
    } catch (error) {
      // The place that is named is one in the steps alone, not in the file.
      if (!(error instanceof Net2NetError)) throw error
      throw inputError(error.message.replace(/:\d+:\d+:/, ':'), { where, cause: error })
    }
  })
}
