/**
 * Tests of units share processes, and the first session of a process decides for its main thread whether denormal numbers are zero
 * there. This session is the first and leaves them as they are, so that no file of tests depends on those that ran before it.
 */
import * as ort from 'onnxruntime-node'
import { GraphBuilder, modelOf } from '../src/model/builder.ts'
import { encodeModel } from '../src/onnx/encode.ts'

ort.env.logLevel = 'fatal'
const builder = new GraphBuilder()
builder.input('x', 'float32', [1])
builder.output(builder.node('Identity', ['x']), 'float32', [1])
const session = await ort.InferenceSession.create(encodeModel(modelOf(builder.graph(), 17)))
await session.release()
