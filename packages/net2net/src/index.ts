/** The public face of net2net in Node: what index.browser.ts has, and models in files. */
import * as kind from './arguments.ts'
import { flag, model, text } from './arguments.ts'
import { comparing } from './check/kinds.ts'
import {
  type CompareOptions,
  type Comparison,
  compare as compareModels,
  load as loadBlob,
  type Subject,
} from './index.browser.ts'
import * as files from './onnx/file.node.ts'
import { isKerasFile } from './onnx/file-kind.node.ts'
import { plainly } from './passes/plainly.ts'

export * from './index.browser.ts'
export type { LoadedModel, SaveOptions, StagedModel, StageOptions } from './onnx/file.node.ts'

const saving = {
  force: flag,
  externalData: flag,
  onProgress: kind.callback,
  signal: kind.signal,
}

/** Files of Keras are told apart by their first bytes; what reads them is loaded only then. */
async function loadAny(file: string | Blob): Promise<files.LoadedModel> {
  if (typeof file !== 'string') {
    const model = await loadBlob(file)
    return Object.defineProperty(model as files.LoadedModel, Symbol.dispose, { value: () => {} })
  }
  if (!isKerasFile(file)) {
    const model = await files.load(file)
    const plain = plainly(model)
    return plain === model
      ? model
      : Object.defineProperty(plain as files.LoadedModel, Symbol.dispose, {
          value: () => model[Symbol.dispose](),
        })
  }
  const { openKeras } = await import('./bridges/keras/keras.node.ts')
  const network = openKeras(file)
  const close = () => network[Symbol.dispose]()
  return Object.defineProperty(network.model as files.LoadedModel, Symbol.dispose, { value: close })
}

/**
 * Reads an ONNX file, or a network of Keras (`.keras`, `.h5`) as an ONNX model: the file at a path, or a Blob as in a
 * browser. Weights stay in the file at a path until somebody reads them; `using model = await load(file)` closes it at
 * the end of the block.
 *
 * @throws Net2NetError (input), naming the file and the field, for whatever is broken; (refused) for layers of Keras that are
 *   not supported
 */
export const load = kind.checkedAsync('load', loadAny, {
  file: kind.either('the path of a file or a Blob', text, kind.blob),
})

/**
 * Writes a model to a file, whole or not at all. May replace the file that the model was loaded from.
 *
 * @throws Net2NetError (usage) where the file exists (without `force`) or cannot be there, (input) where the device
 *   is full or refuses, (interrupted) where the signal stops it
 */
export const save = kind.checkedAsync('save', files.save, {
  model,
  file: text,
  options: kind.options<files.SaveOptions>(saving),
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
  options: kind.options<files.StageOptions>({
    ...saving,
    beside: kind.object('a Map of contents by path', 'entries', 'function'),
  }),
})

async function compareAny(a: Subject, b: Subject, options?: CompareOptions): Promise<Comparison> {
  return compareModels(await opened(a), await opened(b), options)
}

/** As in index.browser.ts; in Node the file of a subject may be one of Keras. */
export const compare = kind.checkedAsync('compare', compareAny, comparing)

const opened = async (subject: Subject): Promise<Subject> =>
  typeof subject === 'string' && isKerasFile(subject) ? load(subject) : subject
