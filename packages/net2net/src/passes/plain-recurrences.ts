/**
 * LSTM, GRU and RNN as runtimes compute them and as they are trained and grow: time first, and without initial states
 * that are zero, which exporters write for the one batch size that they saw.
 * https://onnx.ai/onnx/operators/onnx__LSTM.html
 */
import { attributes, intAttribute } from '../model/attributes.ts'
import type { Model, Node } from '../model/model.ts'
import { NameSupply, valueNames } from '../model/names.ts'
import { inferModel } from '../operators/inference.ts'
import { isUniform, parameterNote, parameterNotes } from '../operators/trainable.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'

const isRecurrent = ({ domain, opType }: Node): boolean =>
  domain === '' && (opType === 'LSTM' || opType === 'GRU' || opType === 'RNN')

/** Input positions. */
const X = 0
const STATES = [5, 6]

/** The same function; the model itself where nothing of this is in it. */
export function plainRecurrences(model: Model): Model {
  const { graph } = model
  if (!graph.nodes.some(isRecurrent)) return model
  const values = inferModel(model)
  const notes = parameterNotes(model)
  const names = new NameSupply(valueNames(graph))
  const isParameter = (name: string) =>
    [...parameterNote].every(([key, value]) => notes?.get(name)?.get(key) === value)
  const isZero = (name: string) => {
    const constant = values.get(name)?.constant
    return constant !== undefined && !isParameter(name) && holdsZeros(constant)
  }
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (!isRecurrent(node)) return [node]
    const inputs = node.inputs.map((name, i) => (STATES.includes(i) && isZero(name) ? '' : name))
    while (inputs.at(-1) === '') inputs.pop()
    const plain =
      inputs.length === node.inputs.length && inputs.every((name, i) => name === node.inputs[i])
        ? node
        : { ...node, inputs }
    return intAttribute(node, 'layout', 0) === 1 ? timeFirst(plain, names) : [plain]
  })
  return nodes.length === graph.nodes.length && nodes.every((node, i) => node === graph.nodes[i])
    ? model
    : { ...model, graph: { ...graph, nodes } }
}

const holdsZeros = (tensor: LazyTensor): boolean =>
  elementCount(tensor.dims) > 0 &&
  isUniform(tensor) &&
  tensor.read(0, Math.min(8, tensor.byteLength)).every((byte) => byte === 0)

/** The node with the batch behind the time and the directions, and transpositions around it. */
function timeFirst(node: Node, names: NameSupply): readonly Node[] {
  const before: Node[] = []
  const after: Node[] = []
  const transposed = (from: string, to: string, order: readonly number[]): Node => ({
    name: to,
    opType: 'Transpose',
    domain: '',
    inputs: [from],
    outputs: [to],
    attributes: attributes({ perm: order }),
  })
  const inputs = node.inputs.map((name, i) => {
    if (name === '' || (i !== X && !STATES.includes(i))) return name
    const turned = names.fresh(`${name}_by_time`)
    before.push(transposed(name, turned, [1, 0, 2]))
    return turned
  })
  const outputs = node.outputs.map((name, k) => {
    if (name === '') return name
    const turned = names.fresh(`${name}_by_time`)
    after.push(transposed(turned, name, k === 0 ? [2, 0, 1, 3] : [1, 0, 2]))
    return turned
  })
  const kept = [...node.attributes].filter(([name]) => name !== 'layout')
  return [...before, { ...node, inputs, outputs, attributes: new Map(kept) }, ...after]
}
