import type { GraphProto, ModelProto, TensorProto } from '../src/onnx/onnx_pb.ts'
import { byteLengthOf, dtypeFromCode } from '../src/tensor/dtype.ts'

/**
 * The differences that a round trip may make, removed in place: numbers move to `raw_data`, and
 * empty names may or may not be written out.
 */
export function normalize(model: ModelProto): ModelProto {
  if (model.graph) normalizeGraph(model.graph)
  return model
}

function normalizeGraph(graph: GraphProto): void {
  graph.name ??= ''
  graph.initializer.forEach(normalizeTensor)
  for (const node of graph.node) {
    if (node.name === '') delete node.name
    if (node.domain === '') delete node.domain
    for (const attribute of node.attribute) {
      if (attribute.t) normalizeTensor(attribute.t)
      if (attribute.g) normalizeGraph(attribute.g)
      attribute.graphs.forEach(normalizeGraph)
    }
  }
}

function normalizeTensor(tensor: TensorProto): void {
  const dtype = dtypeFromCode(tensor.dataType ?? 0)
  if (!dtype || dtype === 'string') return
  const bytes =
    tensor.floatData.length > 0
      ? Float32Array.from(tensor.floatData)
      : tensor.doubleData.length > 0
        ? Float64Array.from(tensor.doubleData)
        : tensor.int64Data.length > 0
          ? BigInt64Array.from(tensor.int64Data)
          : tensor.uint64Data.length > 0
            ? dtype === 'uint32'
              ? Uint32Array.from(tensor.uint64Data, Number)
              : BigUint64Array.from(tensor.uint64Data)
            : integers(tensor.int32Data, byteLengthOf(dtype, 1))
  tensor.rawData ??= new Uint8Array(bytes.buffer)
  tensor.floatData = []
  tensor.doubleData = []
  tensor.int64Data = []
  tensor.uint64Data = []
  tensor.int32Data = []
}

function integers(values: readonly number[], size: number) {
  if (size === 4) return Int32Array.from(values)
  return size === 2 ? Uint16Array.from(values) : Uint8Array.from(values)
}
