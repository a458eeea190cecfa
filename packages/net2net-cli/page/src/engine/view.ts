/** A model as the page draws it: plain data that crosses from the worker to the page. */
import { countParameters, type Model, multiplyAddsByNode } from 'net2net'
import {
  type Attribute,
  constantsOf,
  type Node,
  nodeLabel,
  operatorKind,
  opsetOf,
  requiredInputs,
  type Shape,
  type ValueInfo,
} from 'net2net/model'
import { elementCount, toNumbers } from 'net2net/tensor'

/** What a node is for, as its operator declares it; decides its colour. */
export type NodeKind = 'layer' | 'activation' | 'normalization' | 'view' | 'other' | 'unknown'

export interface ParameterView {
  /** The initializer's (or Constant output's) name. */
  readonly name: string
  /** `W`, `B` and so on, where the position has a usual letter; else the end of the name. */
  readonly label: string
  readonly dtype: string
  readonly dims: readonly number[]
}

export interface NodeView {
  /** The first output: unique in a graph. */
  readonly id: string
  readonly name: string
  readonly op: string
  readonly domain: string
  readonly kind: NodeKind
  /** Values computed by other nodes or fed from outside (no parameters). */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly parameters: readonly ParameterView[]
  readonly attributes: readonly (readonly [name: string, text: string])[]
  /** Of one sample; null where unknown. */
  readonly multiplyAdds: number | null
}

export interface ValueView {
  readonly name: string
  readonly shape: string
  readonly dtype: string
}

export interface ModelView {
  readonly name: string
  readonly opset: number
  readonly nodes: readonly NodeView[]
  readonly inputs: readonly ValueView[]
  readonly outputs: readonly ValueView[]
  /** Shape of each value, as text; absent where it is unknown. */
  readonly shapes: ReadonlyMap<string, string>
  readonly parameters: number
  readonly bytes: number
  /** Multiply-adds of one sample; null where unknown. */
  readonly multiplyAdds: number | null
}

const shapeText = (shape: Shape | undefined): string =>
  shape === undefined ? '' : shape.length === 0 ? 'scalar' : shape.map((d) => d ?? '?').join('×')

/** Shows a model; `values` is what shape inference found. */
export function viewOf(
  model: Model,
  name: string,
  values: ReadonlyMap<string, ValueInfo>,
): ModelView {
  const { graph } = model
  const constants = constantsOf(model)
  const isConstantNode = (node: Node) => node.outputs.every((output) => constants.has(output))
  const counted = new Set<string>()
  const nodes: NodeView[] = []
  let bytes = 0
  const multiplyAdds = multiplyAddsByNode(model)
  graph.nodes.forEach((node, index) => {
    if (isConstantNode(node)) return
    const inputs: string[] = []
    const held: ParameterView[] = []
    node.inputs.forEach((input, i) => {
      const tensor = constants.get(input)
      if (tensor === undefined) {
        if (input !== '') inputs.push(input)
        return
      }
      held.push({
        name: input,
        label: parameterLabel(node, i, input),
        dtype: tensor.dtype,
        dims: tensor.dims,
      })
      if (counted.has(input)) return
      counted.add(input)
      bytes += tensor.byteLength
    })
    nodes.push({
      id: node.outputs.find((output) => output !== '') ?? `#${nodes.length}`,
      name: nodeLabel(node),
      op: node.opType,
      domain: node.domain,
      kind: kindOf(node, held.length > 0),
      inputs,
      outputs: node.outputs.filter((output) => output !== ''),
      parameters: held,
      attributes: [...node.attributes].map(([key, value]) => [key, attributeText(value)] as const),
      multiplyAdds: multiplyAdds[index]!,
    })
  })
  const shapes = new Map<string, string>()
  for (const [value, { shape }] of values) {
    if (shape !== undefined && !constants.has(value)) shapes.set(value, shapeText(shape))
  }
  const value = (declared: Model['graph']['inputs'][number]): ValueView => {
    const info = values.get(declared.name)
    const tensor = declared.type.kind === 'tensor' ? declared.type : undefined
    return {
      name: declared.name,
      shape: shapeText(info?.shape ?? tensor?.shape),
      dtype: info?.dtype ?? tensor?.dtype ?? '',
    }
  }
  return {
    name,
    opset: opsetOf(model),
    nodes,
    inputs: requiredInputs(graph).map(value),
    outputs: graph.outputs.map(value),
    shapes,
    parameters: countParameters(model),
    bytes,
    multiplyAdds: multiplyAdds.includes(null)
      ? null
      : multiplyAdds.reduce<number>((sum, each) => sum + (each ?? 0), 0),
  }
}

function kindOf(node: Node, hasParameters: boolean): NodeKind {
  const kind = operatorKind(node) ?? 'unknown'
  return kind === 'layer' && !hasParameters ? 'other' : kind
}

/** The last part of the parameter's name: `weight` of `conv1.weight`; its position otherwise. */
function parameterLabel(node: Node, position: number, name: string): string {
  const last = name.split(/[./:]/).at(-1) ?? ''
  if (/^[a-z_]{1,14}$/i.test(last) && last !== node.name) return last
  return `input ${position}`
}

function attributeText(attribute: Attribute): string {
  switch (attribute.type) {
    case 'int':
      return String(attribute.value)
    case 'float':
      return numberText(attribute.value)
    case 'ints':
      return `[${attribute.value.join(', ')}]`
    case 'floats':
      return `[${attribute.value.map(numberText).join(', ')}]`
    case 'string':
      return attribute.value.length > 80 ? `${attribute.value.slice(0, 79)}…` : attribute.value
    case 'strings':
      return `[${attribute.value.join(', ')}]`
    case 'tensor': {
      const { dtype, dims } = attribute.value
      const small = elementCount(dims) <= 8 && /^(float32|float64|u?int|bool)/.test(dtype)
      const values = small ? ` = ${toNumbers(attribute.value).map(numberText).join(', ')}` : ''
      return `${dtype}[${dims.join('×')}]${values}`
    }
    case 'graph':
      return `graph of ${attribute.value.nodes.length} nodes`
    case 'graphs':
      return `${attribute.value.length} graphs`
    case 'opaque':
      return '…'
  }
}

const numberText = (value: number): string => String(Number(value.toPrecision(6)))
