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
import { z } from 'zod'
import type { GrowthMoment, GrowthStage } from '../growing/schedule.ts'
import { formatYaml, readRecipe } from './growth-recipe.ts'
import { type Path, parseLocated, problemIn } from './located-yaml.ts'
import { wordsOf } from './schema-messages.ts'

const momentHelp =
  'must be one of epoch, step and plateau, with a whole number from 1 on (an epoch from 0 on: before the first step)'
const moments = z.union(
  [
    z.strictObject({ epoch: z.int().nonnegative() }),
    z.strictObject({ step: z.int().positive() }),
    z.strictObject({ plateau: z.int().positive() }),
  ],
  momentHelp,
)

const recipe = z.strictObject(
  {
    seed: z.int('must be a whole number').exactOptional(),
    stages: z
      .array(
        z.strictObject({
          when: moments,
          learningRate: z.number('must be a number').positive('must be above 0').exactOptional(),
          steps: z.array(z.unknown(), 'must be a list of steps').min(1, 'must have a step'),
        }),
        'must be a list of stages',
      )
      .min(1, 'must have a stage'),
  },
  { error: ({ code }) => (code === 'invalid_type' ? 'must have a list of stages' : undefined) },
)

/**
 * Reads a training recipe.
 *
 * @param text YAML, or JSON (which is YAML too)
 * @param file its name, for messages
 * @throws input with line and column for the first thing that is wrong
 */
export function parseTrainingRecipe(text: string, file = 'recipe'): readonly GrowthStage[] {
  const yaml = parseLocated(text)
  const wrongAt = (path: Path, message: string) => problemIn(file, yaml.atField(path, message))
  const [unreadable] = yaml.problems
  if (unreadable) throw problemIn(file, unreadable)
  const result = recipe.safeParse(yaml.value)
  if (!result.success) {
    const [issue] = result.error.issues
    throw wrongAt(issue!.path, wordsOf(issue!))
  }
  const { seed = 0, stages } = result.data
  return stages.map(({ when, learningRate, steps }, i): GrowthStage => {
    const growth = readRecipe({ steps })
    if ('message' in growth) throw wrongAt(['stages', i, ...growth.path], growth.message)
    return {
      when: when as GrowthMoment,
      steps: growth.steps,
      // Equal stages draw different maps.
      seed: seed + 1000 * i,
      ...(learningRate === undefined ? {} : { learningRateFactor: learningRate }),
    }
  })
}

/** Stages as the text of a training recipe, which reads back as the same stages. */
export const formatTrainingRecipe = (stages: readonly GrowthStage[]): string =>
  formatYaml({
    stages: stages.map(({ when, learningRateFactor, steps, seed = 0 }) => ({
      when,
      ...(learningRateFactor === undefined ? {} : { learningRate: learningRateFactor }),
      steps: steps.map((step, i) => ({ seed: seed + i, ...step })),
    })),
  })
