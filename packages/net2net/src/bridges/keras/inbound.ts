/** The calls of layers in the config of a functional model: which values each takes, and its other arguments. */
import { isObject, type Json, type JsonObject } from './json.ts'

/** A value of a functional model: an output of one call of one layer. */
export interface KerasTensor {
  readonly layer: string
  readonly node: number
  readonly tensor: number
}

export interface LayerCall {
  readonly inputs: readonly KerasTensor[]
  /** Values that are given by name. */
  readonly named: ReadonlyMap<string, readonly KerasTensor[]>
  /** Arguments by name, whatever they are. */
  readonly call: JsonObject
  /** Arguments without a name, in order. */
  readonly operands: readonly (KerasTensor | Json)[]
}

/** Whether an argument is a value of the graph. */
export const isTensor = (item: KerasTensor | Json): item is KerasTensor =>
  typeof item === 'object' && item !== null && 'layer' in item && 'node' in item

export const keyOf = ({ layer, node, tensor }: KerasTensor): string => `${layer}/${node}/${tensor}`

/** `[name, node, tensor]`, perhaps followed by arguments. */
function tensorOf(value: Json | undefined): KerasTensor | undefined {
  if (!Array.isArray(value)) return undefined
  const [layer, node, tensor] = value as readonly Json[]
  return typeof layer === 'string' && typeof node === 'number' && typeof tensor === 'number'
    ? { layer, node, tensor }
    : undefined
}

/** The values in a list of them, or in a table, one or nested. */
export function tensorsOf(value: Json | undefined): KerasTensor[] {
  const one = tensorOf(value)
  if (one) return [one]
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap(tensorsOf)
  if (!isObject(value)) return []
  if (value.class_name === '__keras_tensor__')
    return tensorsOf(isObject(value.config) ? value.config.keras_history : undefined)
  return Object.values(value).flatMap(tensorsOf)
}

/** The value that an argument is, where it is one and no list. */
const onlyTensor = (value: Json): KerasTensor | undefined =>
  isObject(value) || tensorOf(value) ? tensorsOf(value)[0] : undefined

/** The calls of a layer, in order. */
export function callsOf({ inbound_nodes: nodes }: JsonObject): readonly LayerCall[] {
  return (Array.isArray(nodes) ? (nodes as readonly Json[]) : []).map((node) => {
    const isOld = Array.isArray(node)
    // Keras 2 lists [name, node, tensor, arguments] for each input.
    const list = isOld ? (tensorOf(node) ? [node] : (node as readonly Json[])) : []
    const rest = list.map((item) =>
      Array.isArray(item) ? (item as readonly Json[])[3] : undefined,
    )
    const { args, kwargs }: JsonObject = isOld
      ? { args: list, kwargs: Object.assign({}, ...rest) as JsonObject }
      : isObject(node)
        ? node
        : {}
    const call = isObject(kwargs) ? kwargs : {}
    const named = Object.entries(call).flatMap(([name, value]) => {
      const tensors = tensorsOf(value)
      return tensors.length > 0 ? [[name, tensors] as const] : []
    })
    const operands = (Array.isArray(args) ? (args as readonly Json[]) : []).map(
      (item) => onlyTensor(item) ?? item,
    )
    return { inputs: tensorsOf(args), named: new Map(named), call, operands }
  })
}

/** A copy in which values are others; the shapes that Keras wrote beside them stay, and nobody reads them. */
export function withTensors(value: Json, change: (tensor: KerasTensor) => KerasTensor): Json {
  const tensor = tensorOf(value)
  if (tensor) {
    const { layer, node, tensor: place } = change(tensor)
    return [layer, node, place, ...(value as readonly Json[]).slice(3)]
  }
  if (Array.isArray(value))
    return (value as readonly Json[]).map((item) => withTensors(item, change))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withTensors(item, change)]),
  )
}
