/** What computes: ONNX Runtime in Node. In a browser's bundle, index.browser.ts takes the place of this file. */
export * from './index.browser.ts'
export { nodeRuntime } from './onnxruntime.node.ts'
