/** The test vectors of Debian's libonnx-testdata. For tests only. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { type Model, requiredInputs } from '../src/model/model.ts'
import { decodeModel } from '../src/onnx/decode.ts'
import { TensorProtoSchema } from '../src/onnx/onnx_pb.ts'
import { float32, type Tensor } from '../src/tensor/tensor.ts'

const folder = '/usr/share/libonnx-testdata/data'

export const hasOnnxVectors = existsSync(folder)

export interface OnnxVector {
  readonly model: Model
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: Readonly<Record<string, Tensor>>
}

/** A case by its folder, `node/test_adam`; its float tensors and scalars as float32. */
export function onnxVector(name: string): OnnxVector {
  const path = join(folder, name)
  const model = decodeModel(new Uint8Array(readFileSync(join(path, 'model.onnx'))))
  const read = (kind: string, names: readonly string[]) =>
    Object.fromEntries(
      readdirSync(join(path, 'test_data_set_0'))
        .filter((file) => file.startsWith(kind))
        .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
        .map((file, i) => [names[i]!, readTensor(join(path, 'test_data_set_0', file))]),
    )
  return {
    model,
    inputs: read(
      'input',
      requiredInputs(model.graph).map((input) => input.name),
    ),
    outputs: read(
      'output',
      model.graph.outputs.map((output) => output.name),
    ),
  }
}

function readTensor(path: string): Tensor {
  const proto = fromBinary(TensorProtoSchema, new Uint8Array(readFileSync(path)))
  const dims = proto.dims.map(Number)
  const { rawData } = proto
  if (proto.floatData.length > 0) return float32(dims, proto.floatData)
  const bytes = Uint8Array.from(rawData ?? [])
  // TensorProto.DataType 1 is float, 7 is int64.
  return proto.dataType === 7
    ? float32(dims, Array.from(new BigInt64Array(bytes.buffer), Number))
    : float32(dims, new Float32Array(bytes.buffer))
}
