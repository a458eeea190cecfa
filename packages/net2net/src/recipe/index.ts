/** Recipes: growth, and training that grows, as text in YAML or JSON. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import { checked, text } from '../arguments.ts'
import type { PlanningContext } from '../growth/index.ts'
import * as growth from './growth-recipe.ts'
import * as yaml from './located-yaml.ts'
import * as messages from './schema-messages.ts'
import * as training from './training-recipe.ts'

export {
  type Recipe,
  type RecipeResult,
  type RecipeStep,
  recipeJsonSchema,
} from './growth-recipe.ts'
export type { LocatedYaml, Path, Problem } from './located-yaml.ts'

const file = kind.optional(text)
const recipe = kind.object('a recipe, as parseRecipe gives it', 'steps', 'object')

/**
 * Reads a recipe of growth, YAML or JSON.
 *
 * @param file what messages call it
 * @throws Net2NetError (input), naming the line, where it is not one
 */
export const parseRecipe = checked('parseRecipe', growth.parseRecipe, { text, file })

/** A recipe as text: YAML (the default) or JSON. */
export const formatRecipe = checked('formatRecipe', growth.formatRecipe, {
  recipe,
  format: kind.optional(text),
})

/**
 * Grows a model step by step. What it gives also has the recipe with every option, seed and plan written down, which
 * replays to the same bits.
 *
 * @throws Net2NetError (usage, refused), naming the step
 */
export const growByRecipe = checked('growByRecipe', growth.growByRecipe, {
  model: kind.model,
  recipe,
  context: kind.options<PlanningContext>({ onMemory: kind.callback }),
})

/**
 * Reads the stages of a growing training, YAML or JSON.
 *
 * @throws Net2NetError (input), naming the line, where it is not one
 */
export const parseTrainingRecipe = checked('parseTrainingRecipe', training.parseTrainingRecipe, {
  text,
  file,
})

/** Stages of a growing training as text (YAML), which reads back as the same stages. */
export const formatTrainingRecipe = checked('formatTrainingRecipe', training.formatTrainingRecipe, {
  stages: kind.listOf('a list of stages', kind.object('a stage', 'steps', 'object')),
})

/** What is wrong where a schema of zod found something wrong, in words. */
export const schemaMessage = checked('schemaMessage', messages.wordsOf, {
  issue: kind.object('an issue of zod', 'message', 'string'),
})

/** YAML whose values know the lines that they stand in, for messages. */
export const parseLocated = checked('parseLocated', yaml.parseLocated, { text })
