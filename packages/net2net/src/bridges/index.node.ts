/** `net2net/bridges` in Node: what index.browser.ts has, and files on disk. */

export { isKerasFile } from '../files/file-kind.ts'
export {
  type ConfigChange,
  type GrownFolder,
  type HuggingFaceFolder,
  type OpenHuggingFaceOptions,
  openHuggingFace,
  type SaveFolderOptions,
} from './hugging-face/folder.node.ts'
export * from './index.browser.ts'
export { type KerasNetwork, openKeras } from './keras/keras.node.ts'
export { type GrowStateOptions, growState } from './pytorch.node.ts'
