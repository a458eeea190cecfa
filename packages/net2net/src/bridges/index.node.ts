/** `net2net/bridges` in Node: what index.browser.ts has, and files on disk. */
import * as kind from '../arguments.ts'
import { checked, flag, text } from '../arguments.ts'
import * as kinds from '../onnx/file-kind.node.ts'
import * as state from './grow-state.node.ts'
import type { GrowStateOptions } from './grow-state.ts'
import * as huggingFace from './hugging-face/folder.node.ts'
import * as keras from './keras/keras.node.ts'

export type {
  ConfigChange,
  GrownFolder,
  HuggingFaceFolder,
  OpenHuggingFaceOptions,
} from './hugging-face/folder.node.ts'
export type { SaveFolderOptions } from './hugging-face/save-folder.node.ts'
export * from './index.browser.ts'
export type { KerasNetwork } from './keras/keras.node.ts'

/** Whether a file begins as a zip archive (`.keras`) or an HDF5 file (`.h5`) does. */
export const isKerasFile = checked('isKerasFile', kinds.isKerasFile, { file: text })

/**
 * Opens a `.keras` or `.h5` file. Weights stay in the file until somebody reads them.
 *
 * @throws Net2NetError (input) where it is broken; (refused) for layers that are not supported, by name
 */
export const openKeras = checked('openKeras', keras.openKeras, { file: text })

/**
 * Opens a folder as `save_pretrained` of transformers writes it.
 *
 * @throws Net2NetError (input) where it is broken, or its config and its weights do not belong together; (refused) for
 *   architectures that no mapping describes
 */
export const openHuggingFace = checked('openHuggingFace', huggingFace.openHuggingFace, {
  folder: text,
  options: kind.optional(
    kind.options<huggingFace.OpenHuggingFaceOptions>({
      mapping: kind.anything,
      mappingName: text,
    }),
  ),
})

/**
 * What plans make of the state dict of a network, and of the state of its optimizer. The plans were made on the ONNX model
 * that was exported from the same network.
 *
 * @param plans each made on what the one before made of `model`
 * @param stem what the names of the files begin with: `wider` gives `wider.safetensors` and `wider-optimizer.pt`
 * @returns the files by path, in the formats that they had
 * @throws Net2NetError (input) where a file is broken; (refused) where it is not clear which entry is which initializer
 */
export const growState = checked('growState', state.growState, {
  model: kind.model,
  plans: kind.listOf('a list of growth plans', kind.plan),
  stem: text,
  options: kind.options<GrowStateOptions>(
    { optimizer: text, names: kind.texts, untie: flag, weightsDiffer: flag },
    { weights: text },
  ),
})
