/** The public face of net2net: models in, grown models out. Its functions check what they are given. */
import * as kind from './arguments.ts'
import { model, number, numbers, plan, text } from './arguments.ts'
import type { CompareOptions } from './check/compare.ts'
import type { Comparison } from './check/comparison.ts'
import { comparing } from './check/kinds.ts'
import { extension, growthStep } from './growing/kinds.ts'
import * as growth from './growth/index.ts'
import type { Model } from './model/model.ts'
import { type DecodeOptions, decodeModel as decode } from './onnx/decode.ts'
import { encodeModel as encode } from './onnx/encode.ts'
import { beginsAsKeras } from './onnx/other-format.ts'
import type { MergeOptions } from './passes/merge-adapters.ts'
import { plainly } from './passes/plainly.ts'
import type { RuntimeOptional } from './runtime/runtime.ts'
import { memorySource as memory } from './tensor/bytes.ts'

export type { CompareOptions } from './check/compare.ts'
export type { Comparison, OutputDifference, SignatureComparison } from './check/comparison.ts'
export { type ErrorDetails, type ErrorKind, Net2NetError } from './errors.ts'
export type { PlanTable } from './growth/describe-plan.ts'
export type * from './growth/growth-plan.ts'
export { growthChoices } from './growth/growth-plan.ts'
export type {
  Added,
  ChannelStatistics,
  DeepenOptions,
  DeepenStep,
  ExtendOptions,
  ExtendStep,
  Extension,
  ExtensionStart,
  GrownModel,
  GrowthStep,
  InputSize,
  InspectedAttention,
  InspectedLayer,
  InspectedParameter,
  InspectedValue,
  Inspection,
  KernelStep,
  Kernels,
  LeftConstant,
  LoraOptions,
  LoraStep,
  PlanningContext,
  RememberedGrowth,
  RepeatOptions,
  RepeatStep,
  ResolvedStep,
  ShrinkStep,
  SlotPower,
  Solution,
  StepContext,
  WidenOptions,
  WidenStep,
  Widths,
} from './growth/index.ts'
export type { Model } from './model/model.ts'
export type { DecodeOptions } from './onnx/decode.ts'
export type { OpenExternal } from './onnx/tensor-proto.ts'
export type { MergeOptions } from './passes/merge-adapters.ts'
export type { Runtime, Session, SessionOptions } from './runtime/runtime.ts'
export type { ByteSource } from './tensor/bytes.ts'
export { Tensor } from './tensor/tensor.ts'

const seed = number
const from = kind.solvable
const widening = {
  widths: kind.recordOf('an object of widths by layer', kind.either('a width', number, text)),
  options: kind.options<growth.WidenOptions>({
    seed,
    init: text,
    noise: text,
    noiseSize: number,
    onMemory: kind.callback,
  }),
}
const statistics = kind.recordOf(
  'an object of statistics by layer',
  kind.options<growth.ChannelStatistics>({}, { mean: numbers, variance: numbers }),
)
const deepening = {
  layers: kind.listOf('a list of names of layers', text),
  options: kind.options<growth.DeepenOptions>({
    seed,
    init: text,
    block: text,
    kernelSize: kind.either('a size, or a list of sizes', number, numbers),
    statistics,
  }),
}
const extending = {
  extension,
  options: kind.options<growth.ExtendOptions>({
    seed,
    start: text,
    unlikely: kind.flag,
    classes: kind.texts,
  }),
}
const repeating = {
  blocks: kind.listOf('a list of names of blocks', text),
  options: kind.options<growth.RepeatOptions>({ seed, copy: text, start: text }),
}
const adapting = {
  layers: kind.optional(kind.listOf('a list of names of layers', text)),
  options: kind.options<growth.LoraOptions>({ rank: number, alpha: number, seed }),
}
const shrinking = { layers: kind.optional(kind.listOf('a list of names of layers', text)) }
const context = kind.options<growth.StepContext>({ seed, statistics, onMemory: kind.callback })

/** Bytes in memory as a file that is read from. */
export const memorySource = kind.checked('memorySource', memory, { bytes: kind.bytes })

/**
 * Decodes an ONNX file that is in memory; the bytes must not change afterwards. Functions that the file defines are replaced
 * by their bodies, and sequences of known length by their tensors.
 *
 * @throws Net2NetError (input)
 */
export const decodeModel = kind.checked(
  'decodeModel',
  (bytes: Uint8Array, options?: DecodeOptions): Model => plainly(decode(bytes, options)),
  {
    bytes: kind.bytes,
    options: kind.options<DecodeOptions>({ openExternal: kind.callback, name: text }),
  },
)

/**
 * Reads an ONNX file, or a network of Keras (`.keras`, `.h5`) as an ONNX model, from a Blob: a file that was dropped on a
 * page or chosen, or what `fetch` gave. It is read into memory.
 *
 * @throws Net2NetError (input), naming the field, for whatever is broken, and where the data of an ONNX model lie in
 *   another file (see `decodeModel`); (refused) for layers of Keras that are not supported
 */
export const load = kind.checkedAsync(
  'load',
  async (file: Blob): Promise<Model> => {
    const bytes = new Uint8Array(await file.arrayBuffer())
    const name = 'name' in file && typeof file.name === 'string' ? file.name : 'The file'
    if (!beginsAsKeras(bytes)) return plainly(decode(bytes, { name }))
    // With its own modules: files of ONNX need none of them.
    const { readKeras } = await import('./bridges/keras/network.ts')
    return readKeras(memorySource(bytes), name).model
  },
  { file: kind.blob },
)

/** A model as the bytes of an ONNX file. */
export const encodeModel = kind.checked('encodeModel', encode, { model })

/**
 * Solves a model once for many plans: `inspect` and whatever plans take a solution in place of the model. Never fails for
 * what it does not understand: that cannot grow, and plans say why.
 *
 * ```ts
 * const solution = solve(teacher)
 * const sizes = [64, 96, 128].map((width) => planWiden(solution, { conv1: width }))
 * ```
 */
export const solve: (model: Model) => growth.Solution = kind.checked(
  'solve',
  (model: Model) => growth.solve(model),
  { model },
)

/**
 * What a model has of layers, how wide they are, and what can be widened or deepened, or why not.
 *
 * @param from a model, or what has been solved of it
 */
export const inspect = kind.checked('inspect', growth.inspect, { from })

/**
 * A wider model that computes the same function (Net2WiderNet).
 *
 * ```ts
 * const wider = widen(teacher, { conv1: 128, fc1: 'x2' }, { seed: 1 })
 * ```
 *
 * @throws Net2NetError (usage) for unknown layers and impossible widths; (refused) for a layer
 *   that cannot grow, naming the node and the reason
 */
export const widen = kind.checked('widen', growth.widen, { model, ...widening })

/**
 * A deeper model that computes the same function (Net2DeeperNet).
 *
 * @throws Net2NetError (usage) for unknown layers; (refused) where no layer can be inserted
 */
export const deepen = kind.checked('deepen', growth.deepen, { model, ...deepening })

/**
 * A model with new classes, tokens, positions or input channels behind the old ones, which compute what they did; or one
 * whose inputs have other sizes, with the same weights.
 *
 * ```ts
 * const more = extend(model, { outputs: { logits: '+5' } }, { start: 'mean' })
 * const larger = extend(model, { sizes: { image: '256x256' } })
 * ```
 *
 * @throws Net2NetError (usage) for unknown names and numbers that there are not; (refused) where an axis cannot be
 *   extended, naming the node and the reason
 */
export const extend = kind.checked('extend', growth.extend, { model, ...extending })

/**
 * A deeper model that computes the same function: residual blocks are there once more, and their copies add nothing to the
 * stream yet.
 *
 * ```ts
 * const deeper = repeat(teacher, ['h.*'])
 * ```
 *
 * @throws Net2NetError (usage) for unknown names; (refused) where no residual block holds a layer, or a copy would not
 *   be exact
 */
export const repeat = kind.checked('repeat', growth.repeat, { model, ...repeating })

/**
 * The model without what its function does not need: units that are copies of others or that nothing depends on, layers and
 * residual blocks that compute the identity. The way back from `widen`, `deepen` and `repeat`, as far as it is exact.
 *
 * ```ts
 * const teacher = shrink(student)
 * ```
 *
 * @param layers names, parts of names or patterns; default all
 * @throws Net2NetError (usage) for unknown layers; (refused) where the model has none
 */
export const shrink = kind.checked('shrink', growth.shrink, { model, ...shrinking })

/**
 * The model with low-rank adapters (LoRA, Hu et al. 2021) beside the weights of dense and convolutional layers: each layer computes with
 * W + (α / rank) · B·A, and B is zero at first, so that the function stays. `train` trains the adapters alone.
 *
 * ```ts
 * const adapted = lora(model, ['*.q_proj', '*.v_proj'], { rank: 8, alpha: 16 })
 * ```
 *
 * @param layers names, parts of names or patterns; default all that can have one
 * @throws Net2NetError (usage) for unknown layers and ranks that are none; (refused) for a layer that cannot have an adapter,
 *   with the reason
 */
export const lora = kind.checked('lora', growth.lora, { model, ...adapting })

/**
 * The model with weights that hold their low-rank adapters: as large and as fast as without them. The runtime computes the sums, as
 * it does where it runs the model with them.
 *
 * @throws Net2NetError (usage) for a model without adapters
 */
export const mergeAdapters = kind.checkedAsync(
  'mergeAdapters',
  async (model: Model, options: RuntimeOptional<MergeOptions> = {}): Promise<Model> => {
    // With its own modules: growing needs none of them, nor a runtime.
    const { merge } = await import('./passes/merge-adapters.ts')
    return merge(model, options)
  },
  {
    model,
    options: kind.options<RuntimeOptional<MergeOptions>>({
      runtime: kind.runtime,
      signal: kind.signal,
    }),
  },
)

/**
 * What `widen` would do, as plain data.
 *
 * @param from a model, or what has been solved of it
 */
export const planWiden = kind.checked('planWiden', growth.planWiden, { from, ...widening })

/**
 * What `deepen` would do, as plain data.
 *
 * @param from a model, or what has been solved of it
 */
export const planDeepen = kind.checked('planDeepen', growth.planDeepen, { from, ...deepening })

/**
 * What `extend` would do, as plain data.
 *
 * @param from a model, or what has been solved of it
 */
export const planExtend = kind.checked('planExtend', growth.planExtend, { from, ...extending })

/**
 * What `repeat` would do, as plain data.
 *
 * @param from a model, or what has been solved of it
 */
export const planRepeat = kind.checked('planRepeat', growth.planRepeat, { from, ...repeating })

/**
 * One pass of `shrink`, as plain data: what follows from it may let another take away more.
 *
 * @param from a model, or what has been solved of it
 */
export const planShrink = kind.checked('planShrink', growth.planShrink, { from, ...shrinking })

/**
 * What `lora` would do, as plain data.
 *
 * @param from a model, or what has been solved of it
 */
export const planLora = kind.checked('planLora', growth.planLora, { from, ...adapting })

/**
 * Larger kernels, as plain data: zeros around them, and as much more padding.
 *
 * @param from a model, or what has been solved of it
 * @throws Net2NetError (usage) for unknown layers and sizes that are not larger by an even number; (refused) where a layer has no
 *   kernel, or its padding cannot say it
 */
export const planKernels = kind.checked('planKernels', growth.planKernels, {
  from,
  kernels: kind.recordOf(
    'an object of kernel sizes by layer',
    kind.either('a size, or a list of sizes', number, numbers),
  ),
  options: kind.options<{ readonly seed?: number }>({ seed }),
})

/**
 * What one step of growth would do, as plain data: a step is `{ widen: widths, …options }` or
 * `{ deepen: layers, …options }`, `{ repeat: blocks, …options }`, `{ shrink: layers }`, `{ kernel: sizes }`,
 * `{ extend: extension, …options }` or `{ lora: layers, …options }`.
 *
 * @param from a model, or what has been solved of it
 * @throws Net2NetError (usage, refused) as `planWiden`, `planDeepen`, `planRepeat`, `planShrink`, `planExtend` and `planLora`
 */
export const planStep = kind.checked('planStep', growth.planStep, {
  from,
  step: growthStep,
  context,
})

/**
 * Grows a model step by step; a step is as for `planStep`. Steps without a seed use the given one plus their position, so
 * that equal steps draw different maps. What it gives also has the steps with every option, seed and plan written down:
 * they grow the same model to the same bits.
 *
 * @throws Net2NetError (usage, refused) as `planStep`
/**
 * @param from a model, or what has been solved of it
 * @throws Net2NetError (usage, refused) as `planWiden`, `planDeepen`, `planRepeat` and `planShrink`
 */
export const grow = kind.checked('grow', growth.grow, {
  from,
  steps: kind.listOf('a list of steps', growthStep),
  options: context,
})

/**
 * What a plan does, as lines of text: layers that grow or are inserted, and what follows from them for parameters,
 * sizes and numbers.
 */
export const describePlan = kind.checked('describePlan', growth.describePlan, { plan })

/** What a plan does, as tables: one for each kind of changes that it makes. */
export const planTables = kind.checked('planTables', growth.planTables, { plan })

/** The model that a plan makes of a model; its tensors are computed when somebody reads them. */
export const applyPlan = kind.checked('applyPlan', growth.applyPlan, { model, plan })

export type Subject = Model | string

const tensors = kind.object('a Map of tensors by parameter', 'entries', 'function')

/**
 * An optimizer's slots of one kind (a tensor for each parameter, of its shape before growth) after growth, by the names of the
 * grown parameters.
 *
 * @param power with which power of the gradient a slot scales: 1 for momentum, 2 for squared gradients
 */
export const growSlots = kind.checked('growSlots', growth.growSlots, {
  plan,
  slots: tensors,
  power: number,
})

/** Moving averages of the parameters after growth: they grow like the parameters, but without noise. */
export const growAverages = kind.checked('growAverages', growth.growAverages, {
  plan,
  averages: tensors,
})

/** How many numbers the model stores in floating-point tensors; single numbers do not count. */
export const countParameters = kind.checked('countParameters', growth.countParameters, { model })

/** Multiplications with a following addition for one sample; null where a size is not known. */
export const countMultiplyAdds = kind.checked('countMultiplyAdds', growth.countMultiplyAdds, {
  model,
})

/**
 * Multiply-adds of each node for one sample, in the order of the graph: 0 where nothing is multiplied, null where a size is not
 * known.
 */
export const multiplyAddsByNode = kind.checked('multiplyAddsByNode', growth.multiplyAddsByNode, {
  model,
})

/** What a model that has no layer with weights of its own has instead, in one sentence. */
export const whyNoLayers = kind.checked('whyNoLayers', growth.whyNoLayers, { model })

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. The parts in which they differ also run by themselves on random numbers, so that "equal"
 * does not depend on what the inputs reach. `equal` is true, false, or null where a mistake in some layer
 * (`notExercised`) could have been overlooked. See docs/decisions/what-equal-means.md.
 *
 * @throws Net2NetError (difference) where their inputs or outputs have other names or types; (input) where
 *   one of them does not load or run
 */
export const compare = kind.checkedAsync(
  'compare',
  async (a: Subject, b: Subject, options?: CompareOptions): Promise<Comparison> => {
    // With its own modules: growing needs none of them, nor a runtime.
    const { compare } = await import('./check/compare.ts')
    return compare(a, b, options)
  },
  comparing,
)
