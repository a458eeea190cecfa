/** What steps and stages must be, for callers without a compiler: see arguments.ts. */
import * as kind from '../arguments.ts'
import type { DeepenStep, ExtendStep, Extension, WidenStep } from '../growth/index.ts'
import type { GrowthStage } from './schedule.ts'

const { number, text } = kind
const planned = { seed: number, plan: kind.plan }
const common = { ...planned, init: text }
const widening = kind.options<WidenStep>(
  { ...common, noise: text, noiseSize: number },
  { widen: kind.recordOf('an object of widths by layer', kind.either('a width', number, text)) },
)
const deepening = kind.options<DeepenStep>(
  { ...common, block: text },
  { deepen: kind.either('a layer, or a list of layers', text, kind.texts) },
)

const added = kind.either('a number of new entries, as 5 or "+5"', number, text)
const addedByName = kind.recordOf('an object of numbers by name', added)
const addedOrByName = kind.either(
  'a number of new entries, or an object of these by name',
  added,
  addedByName,
)

/** What is extended, and by how much. */
export const extension = kind.options<Extension>({
  outputs: addedByName,
  inputs: addedByName,
  vocabulary: addedOrByName,
  positions: addedOrByName,
})
const extending = kind.options<ExtendStep>(
  { ...planned, start: text, unlikely: kind.flag, classes: kind.texts },
  { extend: extension },
)

/** A step of growth: what is wrong with one that neither deepens nor extends is said of a widening. */
export const growthStep: kind.Kind = (value) => {
  if (typeof value !== 'object' || value === null) return widening(value)
  return 'deepen' in value
    ? deepening(value)
    : 'extend' in value
      ? extending(value)
      : widening(value)
}

export const stages = kind.listOf(
  'a list of stages',
  kind.options<GrowthStage>(
    { seed: number, learningRateFactor: number },
    {
      when: kind.either(
        'one of epoch, step and plateau, with a number',
        kind.object('', 'epoch', 'number'),
        kind.object('', 'step', 'number'),
        kind.object('', 'plateau', 'number'),
      ),
      steps: kind.listOf('a list of steps', growthStep),
    },
  ),
)
