/** What steps and stages must be, for callers without a compiler: see arguments.ts. */
import * as kind from '../arguments.ts'
import type {
  DeepenStep,
  ExtendStep,
  Extension,
  KernelStep,
  LoraStep,
  RepeatStep,
  ShrinkStep,
  WidenStep,
} from '../growth/index.ts'
import type { AutoGrowth } from './auto-growth.ts'
import type { GrowthStage } from './schedule.ts'

const { number, text } = kind
const planned = { seed: number, plan: kind.plan }
const common = { ...planned, init: text }
const widening = kind.options<WidenStep>(
  { ...common, noise: text, noiseSize: number },
  { widen: kind.recordOf('an object of widths by layer', kind.either('a width', number, text)) },
)
const deepening = kind.options<DeepenStep>(
  {
    ...common,
    block: text,
    kernelSize: kind.either('a size, or a list of sizes', number, kind.numbers),
  },
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
  sizes: kind.recordOf(
    'an object of sizes by input, as "256x256"',
    kind.either('a size, or a list of sizes', number, text, kind.numbers),
  ),
})
const extending = kind.options<ExtendStep>(
  { ...planned, start: text, unlikely: kind.flag, classes: kind.texts },
  { extend: extension },
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

const adapting = kind.options<LoraStep>(
  { ...planned, rank: number, alpha: number },
  { lora: kind.either('a layer, or a list of layers', text, kind.texts) },
)

/** A step of growth: what is wrong with one that widens is said of a widening. */
export const growthStep: kind.Kind = (value) => {
  if (typeof value !== 'object' || value === null) return widening(value)
  if ('deepen' in value) return deepening(value)
  if ('repeat' in value) return repeating(value)
  if ('extend' in value) return extending(value)
  if ('lora' in value) return adapting(value)
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

export const auto = kind.options<AutoGrowth>({
  patience: number,
  rule: kind.callback,
  limits: kind.recordOf('an object of numbers by cost', number),
  layers: kind.texts,
  operations: kind.texts,
  earlier: kind.object('the state of a training', 'history', 'object'),
  learningRateFactor: number,
})
