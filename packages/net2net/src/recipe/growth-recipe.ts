/**
 * Recipes: growth as a list of steps, in YAML or JSON. Growing by a recipe yields the resolved
 * recipe, in which every option, seed and map is written down; it replays to the same bits.
 */
import { Document, isScalar, visit } from 'yaml'
import { z } from 'zod'
import { type GrowthPlan, growthChoices } from '../growth/growth-plan.ts'
import type { PlanningContext } from '../growth/plan/widen.ts'
import { type GrowthStep, grow } from '../growth/steps.ts'
import type { Model } from '../model/model.ts'
import { parseLocated, problemIn } from './located-yaml.ts'
import { planSchema } from './plan-schema.ts'
import { wordsOf } from './schema-messages.ts'

export type { PlanningContext }

const seed = z.int().describe('Seed of maps, noise and random weights.')
const plan = planSchema
  .exactOptional()
  .describe('The resolved plan; if given, it is applied as it is.')

const widenStep = z.strictObject({
  widen: z
    .record(
      z.string(),
      z.union([
        z.int().positive(),
        z
          .string()
          .regex(
            /^([x×]\d*\.?\d+|\+?\d+(\.\d+)?\s*%)$/i,
            'a factor looks like x1.5, and what "auto" may add like 20%',
          ),
      ]),
    )
    .describe(
      'Layer (a name, a part of one, or a pattern as conv*) and its new width, or a factor. "auto: 20%" widens what pays most until there are so many more parameters.',
    ),
  init: z.enum(growthChoices.widenInit).exactOptional().describe('How new units start.'),
  noise: z
    .enum(growthChoices.noise)
    .exactOptional()
    .describe('What breaks the symmetry of copies; zero-sum is exact.'),
  noiseSize: z
    .number()
    .positive()
    .exactOptional()
    .describe('Size of the noise, relative to the standard deviation of the out-weights.'),
  seed: seed.exactOptional(),
  plan,
})

const size = z.int().positive()
const sizes = z.union([size, z.array(size)])

const deepenStep = z.strictObject({
  deepen: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe('Layers after which a layer is inserted.'),
  init: z.enum(growthChoices.deepenInit).exactOptional().describe('How new layers start.'),
  block: z
    .enum(growthChoices.block)
    .exactOptional()
    .describe('A layer that computes the identity, or a residual block of zero output.'),
  kernelSize: sizes
    .exactOptional()
    .describe('Kernel size of inserted convolutions; default: that of the layer before.'),
  seed: seed.exactOptional(),
  plan,
})

const added = z.union([
  z.int().positive(),
  z.string().regex(/^\+?\d+$/, 'a number of new entries looks like +5'),
])
const addedByName = z.record(z.string(), added)

const extendStep = z.strictObject({
  extend: z.strictObject({
    outputs: addedByName.exactOptional().describe('Outputs and how many entries each gets.'),
    inputs: addedByName.exactOptional().describe('Inputs and how many channels each gets.'),
    vocabulary: z
      .union([added, addedByName])
      .exactOptional()
      .describe('How many tokens more (of the table with this name).'),
    positions: z
      .union([added, addedByName])
      .exactOptional()
      .describe('How many positions more (of the table with this name).'),
    sizes: z
      .record(z.string(), z.union([z.int().positive(), z.string(), z.array(z.int().positive())]))
      .exactOptional()
      .describe('Inputs and their new sizes, as 256x256; alone in a step.'),
  }),
  start: z
    .union([
      z.enum(['zero', 'random', 'mean']),
      z.templateLiteral(['like:', z.int().nonnegative()]),
    ])
    .exactOptional()
    .describe('How new entries start.'),
  unlikely: z
    .boolean()
    .exactOptional()
    .describe('Whether new entries start so low that a softmax gives the old ones what it gave.'),
  classes: z.array(z.string()).exactOptional().describe('Names of the new classes.'),
  seed: seed.exactOptional(),
  plan,
})

const repeatStep = z.strictObject({
  repeat: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe('Residual blocks that are copied: modules, layers of them, or patterns as h.*.'),
  copy: z
    .enum(growthChoices.copy)
    .exactOptional()
    .describe(
      'Where copies of neighbouring blocks go: behind the last of them, or each behind its own.',
    ),
  start: z
    .enum(growthChoices.start)
    .exactOptional()
    .describe('How a copy adds nothing yet: its last weights are zero, or a gate behind them.'),
  seed: seed.exactOptional(),
  plan,
})

const shrinkStep = z.strictObject({
  shrink: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe('Layers that lose what the function does not need: names, or patterns as *.'),
  seed: seed.exactOptional(),
  plan,
})

const kernelStep = z.strictObject({
  kernel: z
    .record(z.string(), sizes)
    .describe('Convolution (a name, a part of one, or a pattern) and its new kernel size.'),
  seed: seed.exactOptional(),
  plan,
})

const loraStep = z.strictObject({
  lora: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe('Layers whose weights get low-rank adapters: names, or patterns as *.q_proj.'),
  rank: z.int().positive().exactOptional().describe('Rank of the adapters; default 8.'),
  alpha: z
    .number()
    .positive()
    .exactOptional()
    .describe('An adapter counts alpha / rank; default: the rank.'),
  seed: seed.exactOptional(),
  plan,
})

const recipeSchema = z
  .strictObject({
    version: z.literal(1).exactOptional(),
    seed: seed.exactOptional(),
    steps: z
      .array(
        z.union([widenStep, deepenStep, repeatStep, shrinkStep, kernelStep, extendStep, loraStep]),
      )
      .min(1),
  })
  .meta({ title: 'net2net recipe', description: 'Steps that grow a trained network.' })

export interface Recipe {
  readonly version?: 1
  /** Of the steps that have none of their own, with their position added. */
  readonly seed?: number
  readonly steps: readonly GrowthStep[]
}
export type RecipeStep = GrowthStep

/** JSON Schema of recipes, for completion in editors. */
export const recipeJsonSchema = (): object => z.toJSONSchema(recipeSchema)

/**
 * Reads a recipe.
 *
 * @param text YAML, or JSON (which is YAML too).
 * @param file Its name, for messages.
 * @throws Net2NetError (input) with line and column for the first thing that is wrong.
 */
export function parseRecipe(text: string, file = 'recipe'): Recipe {
  const yaml = parseLocated(text)
  const [unreadable] = yaml.problems
  if (unreadable) throw problemIn(file, unreadable)
  const found = readRecipe(yaml.value)
  if (!('message' in found)) return found
  throw problemIn(file, yaml.atField(found.path, found.message, 'value'))
}

/** The recipe that a value is, or the first thing that is wrong with it. */
export function readRecipe(value: unknown): Recipe | Issue {
  const result = recipeSchema.safeParse(value)
  return result.success ? result.data : mostSpecific(result.error.issues, value)
}

type Issue = Pick<z.core.$ZodIssue, 'path' | 'message'>

/** Of the alternatives of a union, the one that the step was meant to be. */
function mostSpecific(issues: readonly z.core.$ZodIssue[], value: unknown): Issue {
  const issue = issues[0]!
  if (issue.code !== 'invalid_union') return { path: issue.path, message: wordsOf(issue) }
  const step = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  )
  if (typeof step !== 'object' || step === null) return { ...issue, message: stepHelp }
  const isStep = issue.path.length === 2 && issue.path[0] === 'steps'
  const kind = kinds.findIndex((name) => name in step)
  if (isStep && kind < 0) return { ...issue, message: stepHelp }
  const branch = isStep ? issue.errors[kind] : issue.errors[0]
  if (!branch?.[0]) return { path: issue.path, message: wordsOf(issue) }
  const inner = mostSpecific(branch, step)
  return { message: inner.message, path: [...issue.path, ...inner.path] }
}

/** In the order of the schema. */
const kinds = ['widen', 'deepen', 'repeat', 'shrink', 'kernel', 'extend', 'lora']
const stepHelp =
  'a step has "widen" (layers and widths), "deepen" (layers), "repeat" (residual blocks), "shrink" (layers), "kernel" (sizes), "extend" (outputs, inputs, vocabulary, positions, sizes) or "lora" (layers)'

export interface RecipeResult {
  readonly model: Model
  readonly plans: readonly GrowthPlan[]
  /** The recipe with every option, seed and plan written down. */
  readonly resolved: Recipe
}

/**
 * Grows a model by a recipe.
 *
 * @throws Net2NetError as `grow`.
 */
export function growByRecipe(
  model: Model,
  { seed = 0, steps }: Recipe,
  context: PlanningContext = {},
): RecipeResult {
  const grown = grow(model, steps, { seed, ...context })
  return {
    model: grown.model,
    plans: grown.plans,
    resolved: { version: 1, seed, steps: grown.steps },
  }
}

/** A recipe as text: YAML with lists of numbers in one line, or JSON. */
export const formatRecipe = (recipe: Recipe, format: 'yaml' | 'json' = 'yaml'): string =>
  format === 'json' ? `${JSON.stringify(recipe, null, 2)}\n` : formatYaml(recipe)

/** YAML with lists of numbers in one line. */
export function formatYaml(value: unknown): string {
  const plain: unknown = JSON.parse(JSON.stringify(value))
  const document = new Document(plain, { aliasDuplicateObjects: false })
  visit(document, {
    Seq(_, node) {
      if (node.items.every(isScalar)) node.flow = true
    },
  })
  return document.toString({ lineWidth: 100, flowCollectionPadding: false })
}
