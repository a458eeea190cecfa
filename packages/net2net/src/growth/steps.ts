/** Growth in steps: the only place that makes a plan of what somebody asks for. */
import { usageError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { countParameters } from '../operators/model-size.ts'
import { applyPlan } from './apply/apply.ts'
import type { GrowthPlan, WidenInit } from './growth-plan.ts'
import { type DeepenOptions, planDeepen } from './plan/deepen.ts'
import { type ExtendOptions, planExtend } from './plan/extend.ts'
import type { Extension } from './plan/extended-axes.ts'
import { type Kernels, planKernels } from './plan/kernel.ts'
import { type LoraOptions, planLora } from './plan/lora.ts'
import { planRepeat, type RepeatOptions } from './plan/repeat.ts'
import { isNothing, planShrink } from './plan/shrink.ts'
import { type PlanningContext, planWiden, type WidenOptions } from './plan/widen.ts'
import type { Widths } from './plan/widths.ts'
import { modelOf, type Solution } from './solve/index.ts'

interface Planned {
  /** The resolved plan; if given, it is applied as it is. */
  readonly plan?: GrowthPlan
}
export interface WidenStep extends Omit<WidenOptions, 'init' | keyof PlanningContext>, Planned {
  /**
   * Layers and their widths. `{ auto: '20%' }` widens what pays most by `rank`, until the model has so many more parameters:
   * that needs samples.
   */
  readonly widen: Widths
  /** Default `net2wider`; where the widths are chosen by `rank`, `gradmax`, which needs samples. */
  readonly init?: WidenInit
}
export interface DeepenStep extends Omit<DeepenOptions, 'statistics'>, Planned {
  /** Layers after which a layer is inserted: names, parts of names or patterns. */
  readonly deepen: string | readonly string[]
}
export interface ExtendStep extends ExtendOptions, Planned {
  readonly extend: Extension
}
export interface RepeatStep extends RepeatOptions, Planned {
  /** Residual blocks that are copied: modules, layers of them, or patterns. */
  readonly repeat: string | readonly string[]
}
export interface ShrinkStep extends Planned {
  /** Layers from which is taken what the function does not need: names, parts of names or patterns. */
  readonly shrink: string | readonly string[]
  /** Nothing of it is random: written down as of other steps. */
  readonly seed?: number
}
export interface KernelStep extends Planned {
  readonly kernel: Kernels
  /** Nothing of it is random: written down as of other steps. */
  readonly seed?: number
}
export interface LoraStep extends LoraOptions, Planned {
  /** Layers whose weights get low-rank adapters: names, parts of names or patterns. */
  readonly lora: string | readonly string[]
}
export type GrowthStep =
  | WidenStep
  | DeepenStep
  | RepeatStep
  | ShrinkStep
  | KernelStep
  | ExtendStep
  | LoraStep

/** What a step is planned with beside its own options. */
export interface StepContext extends PlanningContext {
  /** Of steps that have no seed of their own. */
  readonly seed?: number | undefined
  /** For layers that are inserted with a normalization; see `DeepenOptions`. */
  readonly statistics?: DeepenOptions['statistics'] | undefined
}

/** A step with every option, its seed and its plan written down. */
export type ResolvedStep = GrowthStep & { readonly seed: number; readonly plan: GrowthPlan }

/**
 * The plan of a step.
 *
 * @param from A model, or what has been solved of it.
 * @throws Net2NetError as `planWiden`, `planDeepen`, `planRepeat`, `planShrink`, `planExtend` and `planLora`.
 */
export const planStep = (
  from: Model | Solution,
  step: GrowthStep,
  context: StepContext = {},
): GrowthPlan => resolveStep(from, step, context).plan

function resolveStep(
  from: Model | Solution,
  step: GrowthStep,
  { seed: defaultSeed = 0, statistics, onMemory }: StepContext,
): ResolvedStep {
  const { seed = defaultSeed, plan } = step
  if ('widen' in step) {
    const { widen, init = 'net2wider', noise = 'zero-sum', noiseSize } = step
    if (init === 'gradmax') {
      if (plan) return { widen, init, seed, plan }
      throw needsSamples('Weights by the gradient (gradmax)')
    }
    if (!plan && shareOf(widen) !== undefined) throw needsSamples('Widths by what they gain (auto)')
    const options = { seed, init, noise, ...(noiseSize !== undefined && { noiseSize }) }
    return {
      widen,
      ...options,
      plan: plan ?? planWiden(from, widen, { ...options, onMemory }),
    }
  }
  if ('extend' in step) {
    const { extend, start, unlikely, classes } = step
    const options: ExtendOptions = {
      seed,
      ...(start !== undefined && { start }),
      ...(unlikely !== undefined && { unlikely }),
      ...(classes && { classes }),
    }
    return { extend, ...options, seed, plan: plan ?? planExtend(from, extend, options) }
  }
  if ('repeat' in step) {
    const { copy = 'interleave', start = 'zero' } = step
    const repeat = typeof step.repeat === 'string' ? [step.repeat] : step.repeat
    const options = { seed, copy, start }
    return { repeat, ...options, plan: plan ?? planRepeat(from, repeat, options) }
  }
  if ('kernel' in step) {
    const { kernel } = step
    return { kernel, seed, plan: plan ?? planKernels(from, kernel, { seed }) }
  }
  if ('lora' in step) {
    const { rank = 8, alpha = rank } = step
    const lora = typeof step.lora === 'string' ? [step.lora] : step.lora
    const options = { rank, alpha, seed }
    return { lora, ...options, plan: plan ?? planLora(from, lora, options) }
  }
  if ('shrink' in step) {
    const shrink = typeof step.shrink === 'string' ? [step.shrink] : step.shrink
    return { shrink, seed, plan: plan ?? planShrink(from, shrink) }
  }
  const { init = 'net2deeper', block = 'identity', kernelSize } = step
  const deepen = typeof step.deepen === 'string' ? [step.deepen] : step.deepen
  const options = { seed, init, block, ...(kernelSize !== undefined && { kernelSize }) }
  return {
    deepen,
    ...options,
    plan: plan ?? planDeepen(from, deepen, { ...options, statistics }),
  }
}

const needsSamples = (what: string) =>
  usageError(`${what} need samples to measure on.`, {
    hint: 'Give them with --data, or to growMeasured.',
  })

/** How many more parameters a model may get, as a share of those that it has, where `rank` chooses what is widened. */
export function shareOf(widths: Widths): number | undefined {
  const [[name, text] = [], ...others] = Object.entries(widths)
  const found = /^\+?(\d+(?:\.\d+)?)\s*%$/.exec(String(text))
  return name === 'auto' && others.length === 0 && found ? Number(found[1]) / 100 : undefined
}

export interface GrownModel {
  readonly model: Model
  readonly plans: readonly GrowthPlan[]
  /** The steps with every option, seed and plan written down: they grow the same model to the same bits. */
  readonly steps: readonly ResolvedStep[]
  /** Floating-point parameters. */
  readonly parameters: { readonly before: number; readonly after: number }
}

/**
 * Grows a model step by step. Steps without a seed use the given one plus their position, so that
 * equal steps draw different maps. A step that shrinks becomes as many resolved ones as it takes.
 *
 * @param from A model, or what has been solved of it.
 * @throws Net2NetError as `planStep`.
 */
export function grow(
  from: Model | Solution,
  steps: readonly GrowthStep[],
  { seed = 0, ...context }: StepContext = {},
): GrownModel {
  const model = modelOf(from)
  let grown = model
  const resolved: ResolvedStep[] = []
  for (const [i, step] of steps.entries())
    for (let isMore = true, first = true; isMore; first = false) {
      const start = i === 0 && first ? from : grown
      const found = resolveStep(start, step, { ...context, seed: seed + i })
      // What one plan takes away may let another take away more.
      isMore = 'shrink' in step && step.plan === undefined && !isNothing(found.plan)
      if (!first && isNothing(found.plan)) break
      grown = applyPlan(grown, found.plan)
      resolved.push(found)
    }
  return {
    model: grown,
    plans: resolved.map(({ plan }) => plan),
    steps: resolved,
    parameters: { before: countParameters(model), after: countParameters(grown) },
  }
}
