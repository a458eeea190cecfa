/** What steps and stages must be, for callers without a compiler: see arguments.ts. */
import * as kind from '../arguments.ts'
import type { DeepenStep, KernelStep, RepeatStep, ShrinkStep, WidenStep } from '../growth/index.ts'
import type { GrowthStage } from './schedule.ts'

const { number, text } = kind
const common = {
  seed: number,
  init: text,
  plan: kind.plan,
}
const widening = kind.options<WidenStep>(
  { ...common, noise: text, noiseSize: number },
  { widen: kind.recordOf('an object of widths by layer', kind.either('a width', number, text)) },
)
const deepening = kind.options<DeepenStep>(
  { ...common, block: text },
  { deepen: kind.either('a layer, or a list of layers', text, kind.texts) },
)

const repeating = kind.options<RepeatStep>(
  { seed: number, plan: common.plan, copy: text, start: text },
  { repeat: kind.either('a block, or a list of blocks', text, kind.texts) },
)

const shrinking = kind.options<ShrinkStep>(
  { seed: number, plan: common.plan },
  { shrink: kind.either('a layer, or a list of layers', text, kind.texts) },
)

const enlarging = kind.options<KernelStep>(
  { seed: number, plan: common.plan },
  {
    kernel: kind.recordOf(
      'an object of kernel sizes by layer',
      kind.either('a size, or a list of sizes', number, kind.numbers),
    ),
  },
)

/** A step of growth: what is wrong with one that widens is said of a widening. */
export const growthStep: kind.Kind = (value) => {
  if (typeof value !== 'object' || value === null) return widening(value)
  if ('deepen' in value) return deepening(value)
  if ('repeat' in value) return repeating(value)
  if ('kernel' in value) return enlarging(value)
  return 'shrink' in value ? shrinking(value) : widening(value)
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
