/**
 * Operators into which ONNX Runtime's optimizer has fused several, as these: FusedConv as Conv and its activation,
 * SkipLayerNormalization as Add and LayerNormalization, and so on. A runtime that opens the file fuses them again.
 * https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
 *
 * Attention stays whole: it has rules of its own (operators/rules/runtime-attention.ts).
 */
import {
  type AttributeLike,
  attributes,
  float,
  floatAttribute,
  floatsAttribute,
  intAttribute,
  stringAttribute,
} from '../model/attributes.ts'
import { capturedValues } from '../model/links.ts'
import type { Attribute, Dim, Initializer, Model, Node } from '../model/model.ts'
import { opsetOf } from '../model/model.ts'
import { NameSupply, nodeLabel, valueNames } from '../model/names.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { inferModel } from '../operators/inference.ts'
import { isFloat } from '../tensor/dtype.ts'
import { float32, int64, type LazyTensor } from '../tensor/tensor.ts'

const microsoft = 'com.microsoft'

/** Writes nodes in the place of one. The last one that gives an output of it has its name. */
interface Writer {
  readonly node: Node
  readonly opset: number
  has(i: number): boolean
  input(i: number): string
  /** Does anybody read output k? */
  isRead(k: number): boolean
  shape(i: number): readonly Dim[] | undefined
  /** A node with one output. */
  op(
    opType: string,
    inputs: readonly string[],
    entries?: Readonly<Record<string, AttributeLike>>,
    domain?: string,
  ): string
  number(value: number): string
  ints(values: readonly number[]): string
}

/** The values of the node's outputs; undefined where it cannot be taken apart. */
type Parts = (write: Writer) => readonly (string | undefined)[] | undefined

/** The attributes of these names. */
const some = ({ attributes: all }: Node, names: readonly string[]): Record<string, Attribute> =>
  Object.fromEntries([...all].filter(([name]) => names.includes(name)))

const windowNames = ['auto_pad', 'dilations', 'group', 'kernel_shape', 'pads', 'strides']

/** An activation, by its name and the names or the order of its parameters. */
function activated(write: Writer, value: string): string | undefined {
  const { node } = write
  const name = stringAttribute(node, 'activation', '')
  const list = floatsAttribute(node, 'activation_params')
  const parameter = (k: number, own: string) =>
    list?.[k] ?? floatAttribute(node, `activation_${own}`, undefined)
  const named = (...names: readonly string[]) =>
    Object.fromEntries(
      names.flatMap((own, k) => {
        const given = parameter(k, own)
        return given === undefined ? [] : [[own, float(given)]]
      }),
    )
  switch (name) {
    case '':
      return value
    case 'Relu':
    case 'Tanh':
    case 'Sigmoid':
    case 'Softplus':
    case 'Softsign':
      return write.op(name, [value])
    case 'LeakyRelu':
    case 'ThresholdedRelu':
    case 'Elu':
      return write.op(name, [value], named('alpha'))
    case 'HardSigmoid':
      return write.op(name, [value], named('alpha', 'beta'))
    case 'Selu':
      return write.op(name, [value], named('alpha', 'gamma'))
    case 'Clip': {
      const bounds = [0, 1].map((k) => list?.[k])
      if (write.opset < 11)
        return write.op(name, [value], {
          min: bounds[0] === undefined ? undefined : float(bounds[0]),
          max: bounds[1] === undefined ? undefined : float(bounds[1]),
        })
      const limits = bounds.map((bound) => (bound === undefined ? '' : write.number(bound)))
      return write.op(name, [value, ...limits])
    }
    default:
      return undefined
  }
}

const conv: Parts = (write) => {
  const inputs = [0, 1, ...(write.has(2) ? [2] : [])].map((i) => write.input(i))
  const y = write.op('Conv', inputs, some(write.node, windowNames))
  const result = activated(write, write.has(3) ? write.op('Add', [y, write.input(3)]) : y)
  return result === undefined ? undefined : [result]
}

const gemm: Parts = (write) => {
  const entries = some(write.node, ['alpha', 'beta', 'transA', 'transB'])
  const inputs = [0, 1, ...(write.has(2) ? [2] : [])].map((i) => write.input(i))
  const result = activated(write, write.op('Gemm', inputs, entries))
  return result === undefined ? undefined : [result]
}

/** A factor as the product takes it: transposed in its last two axes, or with the first of them in front. */
function factor(write: Writer, i: number, name: 'A' | 'B'): string | undefined {
  const turned = intAttribute(write.node, `trans${name}`, 0) === 1
  if (intAttribute(write.node, `transBatch${name}`, 0) === 1) return undefined
  if (!turned) return write.input(i)
  const rank = write.shape(i)?.length
  if (rank === undefined || rank < 2) return undefined
  const order = Array.from({ length: rank }, (_, k) => k)
  return write.op('Transpose', [write.input(i)], {
    perm: [...order.slice(0, -2), rank - 1, rank - 2],
  })
}

const matMul: Parts = (write) => {
  const [a, b] = [factor(write, 0, 'A'), factor(write, 1, 'B')]
  if (a === undefined || b === undefined) return undefined
  const alpha = floatAttribute(write.node, 'alpha', 1)
  const y = write.op('MatMul', [a, b])
  return [alpha === 1 ? y : write.op('Mul', [y, write.number(alpha)])]
}

const biasGelu: Parts = (write) => [
  write.op('Gelu', [write.op('Add', [write.input(0), write.input(1)])], {}, microsoft),
]

/** x·σ(2√(2/π)·(x + 0.044715·x³)), which is 0.5·x·(1 + tanh √(2/π)·(x + 0.044715·x³)). */
const fastGelu: Parts = (write) => {
  const x = write.has(1) ? write.op('Add', [write.input(0), write.input(1)]) : write.input(0)
  if (write.opset >= 20) return [write.op('Gelu', [x], { approximate: 'tanh' })]
  const scale = 2 * Math.sqrt(2 / Math.PI)
  const square = write.op('Mul', [write.op('Mul', [x, x]), write.number(0.044715 * scale)])
  const inner = write.op('Mul', [x, write.op('Add', [square, write.number(scale)])])
  return [write.op('Mul', [x, write.op('Sigmoid', [inner])])]
}

const quickGelu: Parts = (write) => {
  const x = write.input(0)
  const alpha = floatAttribute(write.node, 'alpha', Math.fround(1.702))
  return [write.op('Mul', [x, write.op('Sigmoid', [write.op('Mul', [x, write.number(alpha)])])])]
}

/** Norms of a sum, which is an output too. `bias`: the input that is added to it as well. */
const skipNorm =
  (opType: string, bias: number, vectors: readonly number[]): Parts =>
  (write) => {
    const sum = write.op('Add', [write.input(0), write.input(1)])
    const whole = write.has(bias) ? write.op('Add', [sum, write.input(bias)]) : sum
    const inputs = vectors.filter((i) => write.has(i)).map((i) => write.input(i))
    const y = write.op(opType, [whole, ...inputs], {
      axis: -1,
      epsilon: float(floatAttribute(write.node, 'epsilon', Math.fround(1e-12))),
    })
    return [y, undefined, undefined, whole]
  }

const embedNorm: Parts = (write) => {
  const [ids, segments, words, positions, segmentTable, gamma, beta, mask, places] = Array.from(
    { length: 9 },
    (_, i) => write.input(i),
  ) as [string, string, string, string, string, string, string, string, string]
  const word = write.op('Gather', [words, ids], { axis: 0 })
  const table =
    places === ''
      ? write.op('Slice', [
          positions,
          write.ints([0]),
          write.op('Slice', [write.op('Shape', [ids]), write.ints([1]), write.ints([2])]),
          write.ints([0]),
        ])
      : write.op('Gather', [positions, places], { axis: 0 })
  const both = write.op('Add', [word, table])
  const all =
    segments === ''
      ? both
      : write.op('Add', [both, write.op('Gather', [segmentTable, segments], { axis: 0 })])
  const y = write.op('LayerNormalization', [all, gamma, beta], {
    axis: -1,
    epsilon: float(floatAttribute(write.node, 'epsilon', Math.fround(1e-12))),
  })
  // How many tokens of each sequence are none of padding.
  const isCounted = mask !== '' && write.isRead(1) && write.opset >= 13
  const lengths = isCounted
    ? write.op('ReduceSum', [mask, write.ints([1])], { keepdims: 0 })
    : undefined
  return [y, lengths, all]
}

const parts: Readonly<Record<string, Parts>> = {
  FusedConv: conv,
  FusedGemm: gemm,
  FusedMatMul: matMul,
  TransposeMatMul: matMul,
  BiasGelu: biasGelu,
  FastGelu: fastGelu,
  QuickGelu: quickGelu,
  SkipLayerNormalization: skipNorm('LayerNormalization', 4, [2, 3]),
  SkipSimplifiedLayerNormalization: skipNorm('SimplifiedLayerNormalization', 3, [2]),
  EmbedLayerNormalization: embedNorm,
}

/** The same function without these fusions, where it computes in float32; the model itself where it has none. */
export function withoutFusions(model: Model): Model {
  if (!model.graph.nodes.some(isFused)) return model
  // The rank of what follows one of them may be known only when this one is taken apart.
  for (let known = model; ; ) {
    const next = withoutKnown(known)
    if (next === known) return known
    known = next
  }
}

const isFused = ({ domain, opType }: Node): boolean =>
  domain === microsoft && Object.hasOwn(parts, opType)

function withoutKnown(model: Model): Model {
  const { graph } = model
  const values = inferModel(model)
  const names = new NameSupply([...valueNames(graph), ...graph.nodes.map(({ name }) => name)])
  const initializers = new Map<string, Initializer>(graph.initializers)
  const read = new Set([
    ...graph.nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]),
    ...graph.outputs.map(({ name }) => name),
  ])
  let isChanged = false
  const nodes = graph.nodes.flatMap((node) => {
    const apart = isFused(node) ? takenApart(node, opsetOf(model), values, names, read) : undefined
    if (!apart) return [node]
    isChanged = true
    for (const [name, tensor] of apart.constants) initializers.set(name, { tensor })
    return apart.nodes
  })
  return isChanged ? { ...model, graph: { ...graph, nodes, initializers } } : model
}

interface Apart {
  readonly nodes: readonly Node[]
  readonly constants: ReadonlyMap<string, LazyTensor>
}

function takenApart(
  node: Node,
  opset: number,
  values: ReadonlyMap<string, ValueInfo>,
  names: NameSupply,
  read: ReadonlySet<string>,
): Apart | undefined {
  const info = (i: number) => values.get(node.inputs[i] ?? '')
  const { dtype } = info(0) ?? {}
  if (dtype !== undefined && isFloat(dtype) && dtype !== 'float32') return undefined
  const label = nodeLabel(node)
  const nodes: Node[] = []
  const constants = new Map<string, LazyTensor>()
  const constant = (tensor: LazyTensor) => {
    const name = names.fresh(`${label}/constant`)
    constants.set(name, tensor)
    return name
  }
  const isRead = (k: number) => read.has(node.outputs[k] || ' ')
  const results = parts[node.opType]!({
    node,
    opset,
    isRead,
    has: (i) => (node.inputs[i] ?? '') !== '',
    input: (i) => node.inputs[i] ?? '',
    shape: (i) => info(i)?.shape,
    op(opType, inputs, entries = {}, domain = '') {
      const output = names.fresh(`${label}/${opType}`)
      const map = attributes(entries)
      nodes.push({ name: output, opType, domain, inputs, outputs: [output], attributes: map })
      return output
    },
    number: (value) => constant(float32([], [value])),
    ints: (list) => constant(int64(list)),
  })
  if (!results) return undefined
  const outputs = new Map<string, string>()
  for (const [k, name] of node.outputs.entries()) {
    if (!isRead(k)) continue
    if (results[k] === undefined) return undefined
    outputs.set(results[k], name)
  }
  const rename = (name: string) => outputs.get(name) ?? name
  const placed = nodes.map((each, i) => ({
    ...each,
    ...(node.metadata && { metadata: node.metadata }),
    name: i === 0 ? node.name : each.name,
    inputs: each.inputs.map(rename),
    outputs: each.outputs.map(rename),
  }))
  return { nodes: placed, constants }
}
