/** The public face of net2net in Node: what index.browser.ts has, and models in files. */
import * as kind from './arguments.ts'
import { text } from './arguments.ts'
import { comparing } from './check/kinds.ts'
import {
  type CompareOptions,
  type Comparison,
  compare as compareModels,
  load as loadBlob,
  type Subject,
} from './index.browser.ts'
import { type LoadedModel, load as loadFile } from './onnx/file.node.ts'
import { isKerasFile } from './onnx/file-kind.node.ts'
import { plainly } from './passes/plainly.ts'

export * from './index.browser.ts'
export { save, stage } from './index.save.ts'
export type { LoadedModel } from './onnx/file.node.ts'
export type { SaveOptions, StagedModel, StageOptions } from './onnx/save.node.ts'

/** Files of Keras are told apart by their first bytes; what reads them is loaded only then. */
async function loadAny(file: string | Blob): Promise<LoadedModel> {
  if (typeof file !== 'string') {
    const model = await loadBlob(file)
    return Object.defineProperty(model as LoadedModel, Symbol.dispose, { value: () => {} })
  }
  if (!isKerasFile(file)) {
    const model = await loadFile(file)
    const plain = plainly(model)
    return plain === model
      ? model
      : Object.defineProperty(plain as LoadedModel, Symbol.dispose, {
          value: () => model[Symbol.dispose](),
        })
  }
  const { openKeras } = await import('./bridges/keras/keras.node.ts')
  const network = openKeras(file)
  const close = () => network[Symbol.dispose]()
  return Object.defineProperty(network.model as LoadedModel, Symbol.dispose, { value: close })
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

async function compareAny(a: Subject, b: Subject, options?: CompareOptions): Promise<Comparison> {
  return compareModels(await opened(a), await opened(b), options)
}

/** As in index.browser.ts; in Node the file of a subject may be one of Keras. */
export const compare = kind.checkedAsync('compare', compareAny, comparing)

const opened = async (subject: Subject): Promise<Subject> =>
  typeof subject === 'string' && isKerasFile(subject) ? load(subject) : subject
