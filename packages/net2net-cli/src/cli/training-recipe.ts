/** The recipe of a training: when and how the model grows. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readWhole, writeWhole } from 'net2net/files'
import type { GrowingEvent, GrowthStage } from 'net2net/growing'
import { formatTrainingRecipe, parseTrainingRecipe } from 'net2net/recipe'

export async function readRecipe(file: string): Promise<readonly GrowthStage[]> {
  return parseTrainingRecipe(new TextDecoder().decode(await readWhole(file)), file)
}

/** The recipe as it has come so far, every option, seed and plan of the growths written down: it grows the same network again. */
export async function recordGrowth(
  output: string,
  stages: readonly GrowthStage[],
  { stage, steps }: Extract<GrowingEvent, { kind: 'growth' }>,
): Promise<void> {
  const file = join(output, 'recipe.resolved.yaml')
  const before = stage > 1 && existsSync(file) ? await readRecipe(file) : stages
  // What is decided on the way comes before the stages that are still to come.
  const known = [...before.slice(0, stage - 1), ...stages.slice(stage - 1)]
  const now = known.map((each, i) => (i === stage - 1 ? { ...each, steps } : each))
  await writeWhole(file, formatTrainingRecipe(now), { force: true })
}
