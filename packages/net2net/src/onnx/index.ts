/** ONNX bytes ⇄ Model, wherever JavaScript runs. Files are in `file.ts`. */
export { type DecodeOptions, decodeModel, NEWEST_IR_VERSION } from './decode.ts'
export { type EncodedModel, encodeModel, encodeStream } from './encode.ts'
