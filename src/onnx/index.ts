/** ONNX bytes ⇄ Model, wherever JavaScript runs. Files are in `file.ts`. */
export { type DecodeOptions, decodeModel, NEWEST_IR_VERSION } from './decode.ts'
export { encodeModel } from './encode.ts'
