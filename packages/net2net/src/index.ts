/** The public face of net2net: models in, grown models out. Its functions check what they are given. */
import * as kind from './arguments.ts'
import { compare as compareModels } from './growth/compare.ts'
import * as growth from './growth/index.ts'
import * as files from './onnx/file.node.ts'
import * as onnx from './onnx/index.ts'

export type { CompareOptions } from './check/compare.ts'
export type { Comparison } from './check/comparison.ts'
export { type ErrorKind, Net2NetError } from './errors.ts'
export type {
  DeepenOptions,
  GrowthPlan,
  Inspection,
  WidenOptions,
  Widths,
} from './growth/index.ts'
export type { Model } from './model/model.ts'
export type { SaveOptions, StagedModel, StageOptions } from './onnx/file.node.ts'
export { nodeRuntime } from './runtime/onnxruntime.node.ts'
export type { Runtime, Session, SessionOptions } from './runtime/runtime.ts'
export { Tensor } from './tensor/tensor.ts'

const { model, number, text, flag } = kind
const seed = number
const widening = {
  model,
  widths: kind.recordOf('an object of widths by layer', kind.either('a width', number, text)),
  options: kind.options({ seed, noiseSize: number }),
}
const deepening = {
  model,
  layers: kind.listOf('a list of names of layers', text),
  options: kind.options({
    seed,
    statistics: kind.recordOf('an object of statistics by layer', kind.options({}, {})),
  }),
}
const saving = {
  force: flag,
  externalData: flag,
  onProgress: kind.callback,
  signal: kind.signal,
}
const plan = kind.object('a growth plan', 'parameters', 'object')
const subject = kind.either('a model or the path of one', model, text)

/**
 * Reads an ONNX file. Weights stay in the file until somebody reads them.
 *
 * @throws Net2NetError (input), naming the file and the field, for whatever is broken
 */
export const load = kind.checkedAsync('load', files.load, { file: text })

/**
 * Writes a model to a file, whole or not at all. May replace the file that the model was loaded from.
 *
 * @throws Net2NetError (usage) where the file exists (without `force`) or cannot be there, (input) where the device
 *   is full or refuses, (interrupted) where the signal stops it
 */
export const save = kind.checkedAsync('save', files.save, {
  model,
  file: text,
  options: kind.options(saving),
})

/**
 * Begins to write a model to a file under a temporary name, so that it can be read and checked
 * before it is published. Call `discard` in the end, whatever happened.
 *
 * ```ts
 * const staged = await stage(student, 'student.onnx')
 * try {
 *   if ((await compare(teacher, staged.model)).equal) await staged.publish()
 * } finally {
 *   await staged.discard()
 * }
 * ```
 *
 * @throws as `save`
 */
export const stage = kind.checkedAsync('stage', files.stage, {
  model,
  file: text,
  options: kind.options({
    ...saving,
    beside: kind.object('a Map of contents by path', 'entries', 'function'),
  }),
})

/** Decodes an ONNX file that is in memory; the bytes must not change afterwards. @throws Net2NetError (input) */
export const decodeModel = kind.checked('decodeModel', onnx.decodeModel, { bytes: kind.bytes })

/** A model as the bytes of an ONNX file. */
export const encodeModel = kind.checked('encodeModel', onnx.encodeModel, { model })

/** What a model has of layers, how wide they are, and what can be widened or deepened, or why not. */
export const inspect = kind.checked('inspect', growth.inspect, { model })

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
export const widen = kind.checked('widen', growth.widen, widening)

/**
 * A deeper model that computes the same function (Net2DeeperNet).
 *
 * @throws Net2NetError (usage) for unknown layers; (refused) where no layer can be inserted
 */
export const deepen = kind.checked('deepen', growth.deepen, deepening)

/** What `widen` would do, as plain data. */
export const planWiden = kind.checked('planWiden', growth.planWiden, widening)

/** What `deepen` would do, as plain data. */
export const planDeepen = kind.checked('planDeepen', growth.planDeepen, deepening)

/** The model that a plan makes of a model; its tensors are computed when somebody reads them. */
export const applyPlan = kind.checked('applyPlan', growth.applyPlan, { model, plan })

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. They are equal where every |Δ| ≤ tolerance · max(1, |y|). See growth/compare.ts.
 *
 * @throws Net2NetError (difference) where their inputs or outputs have other names or types; (input) where
 *   one of them does not load or run
 */
export const compare = kind.checkedAsync('compare', compareModels, {
  a: subject,
  b: subject,
  options: kind.options({
    inputs: kind.listOf('a list of sets of inputs', kind.options({}, {})),
    samples: number,
    seed,
    tolerance: number,
    wholeUpTo: number,
    runtime: kind.runtime,
    signal: kind.signal,
    onProgress: kind.callback,
  }),
})
