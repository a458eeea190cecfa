/** `net2net/bridges` in Node: what index.browser.ts has, and files on disk. */

export { isKerasFile } from '../onnx/file-kind.node.ts'
export { growState } from './grow-state.node.ts'
export * from './index.browser.ts'
export { type KerasNetwork, openKeras } from './keras/keras.node.ts'
