/** Wider layers in a file of Keras. */
import { refusedError } from '../../errors.ts'
import { applyPlan } from '../../growth/apply/apply.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import { intAttribute } from '../../model/attributes.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import { inferModel } from '../../operators/inference.ts'
import { type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import { combined } from '../combined.ts'
import { growEntries, growEntrySlots } from '../grow-entries.ts'
import { isObject, type Json, type JsonObject } from './json.ts'
import { type KerasFile, withTensors } from './keras-file.ts'
import { type KerasState, withStates } from './keras-state.ts'
import { keyOf, type OptimizerVariable, optimizerStates } from './optimizer.ts'
import { configOf, isModel, kindOf, nameOf, type PlacedLayer, placeLayers } from './place.ts'
import type { KerasModel } from './to-model.ts'

/** Wider layers: variables, the state of the optimizer, and the sizes in the config. */
export function widenKeras({ file, network }: KerasState, plan: GrowthPlan): KerasState {
  const { model, layers } = network
  const bindings = { bound: network.bindings, folded: [] }
  const options = { file: file.name, constants: network.constants }
  const entries = new Map(
    network.bindings.map(({ entry }) => [entry, file.tensors.get(entry)!] as const),
  )
  const tensors = new Map(growEntries(model, plan, bindings, entries, options))
  const factors = new Map<string, number>()
  for (const layer of layers.values())
    for (const [variable, factor] of Object.entries(factorsOf(layer, file, tensors))) {
      const path = layer.variables.get(variable)
      if (path !== undefined && factor !== 1) factors.set(path, factor)
    }
  for (const [path, factor] of factors) tensors.set(path, times(tensors.get(path)!, factor))
  const entryOf = new Map(
    [...layers.values()].flatMap(({ path, variables }) =>
      [...variables].map(([name, entry]) => [keyOf(path, name), entry] as const),
    ),
  )
  /** The slots of one kind after growth; a factor on a weight divides its gradient. */
  const grow = (
    variables: readonly OptimizerVariable[],
  ): ReadonlyMap<OptimizerVariable, LazyTensor> => {
    const power = variables[0]!.slot!.power
    const byEntry = new Map(variables.map((each) => [entryOf.get(each.of!)!, each.tensor]))
    const grown =
      power === 'weight'
        ? growEntries(model, plan, bindings, new Map([...entries, ...byEntry]), options)
        : growEntrySlots(model, plan, bindings, entries, byEntry, power, options)
    return new Map(
      variables.map((each) => {
        const entry = entryOf.get(each.of!)!
        const factor = (factors.get(entry) ?? 1) ** (power === 'weight' ? 1 : -power)
        const tensor = grown.get(entry)!
        return [each, factor === 1 ? tensor : times(tensor, factor)]
      }),
    )
  }
  const states = optimizerStates(file, layers).map((state) => {
    const kinds = new Map<string, OptimizerVariable[]>()
    for (const each of state.variables)
      if (each.slot) kinds.set(each.slot.name, [...(kinds.get(each.slot.name) ?? []), each])
    const grown = new Map([...kinds.values()].flatMap((variables) => [...grow(variables)]))
    return {
      ...state,
      variables: state.variables.map((each) => ({
        ...each,
        tensor: grown.get(each) ?? each.tensor,
      })),
    }
  })
  const inside = (plan.floats ?? []).find(({ node }) => !layers.has(node))
  if (inside)
    throw refusedError(
      `${quote(inside.node)} of ${file.name} would need another ${inside.attribute}, and it is no layer of Keras.`,
      {
        where: inside.node,
        hint: 'Give a width that is a multiple of the old one, or write an ONNX file instead (-o FILE.onnx).',
      },
    )
  const grownModel = applyPlan(model, { ...plan, inserted: [] })
  const changed = withStates(withTensors(file, tensors), states)
  const config = grownConfig(file, network, grownModel, { plan, tensors })
  const grownFile = { ...changed, model: config }
  return {
    file: grownFile,
    network: { ...network, model: grownModel, layers: placeLayers(grownFile) },
  }
}

type Dims = (variable: string) => readonly number[]

/** Dimensions of a layer's variables before growth and after it. */
function dimsOf(
  { variables }: PlacedLayer,
  file: KerasFile,
  tensors: ReadonlyMap<string, LazyTensor>,
): { readonly before: Dims; readonly after: Dims } {
  const place = (variable: string) => variables.get(variable) ?? ''
  const before: Dims = (variable) => file.tensors.get(place(variable))?.dims ?? []
  return { before, after: (variable) => tensors.get(place(variable))?.dims ?? before(variable) }
}

function factorsOf(
  placed: PlacedLayer,
  file: KerasFile,
  tensors: ReadonlyMap<string, LazyTensor>,
): Readonly<Record<string, number>> {
  const { before, after } = dimsOf(placed, file, tensors)
  return placed.layer.factors?.(before, after) ?? {}
}

const times = (tensor: LazyTensor, factor: number): LazyTensor =>
  combined([tensor], (_, value) => value * factor)

/** The config with the new sizes, and without the shapes with which layers were built. */
function grownConfig(
  file: KerasFile,
  network: KerasModel,
  grown: Model,
  { plan, tensors }: { plan: GrowthPlan; tensors: ReadonlyMap<string, LazyTensor> },
): JsonObject {
  const values = inferModel(grown)
  const innerShape = new Map(
    network.innerInputs.map(({ path, value }) => {
      const dims = values.get(value.name)?.shape ?? []
      return [path, value.channelsFirst ? [dims[0], ...dims.slice(2), dims[1]] : dims]
    }),
  )
  const change = (entry: JsonObject, path: string, prefix: string): JsonObject => {
    const { build_config: _, ...rest } = entry
    const config = configOf(rest)
    if (isModel(entry)) {
      const { build_input_shape: __, layers, ...kept } = config
      const inner = (Array.isArray(layers) ? (layers as readonly Json[]) : []).map((layer) =>
        isObject(layer)
          ? change(layer, `${prefix}${nameOf(layer)}`, `${prefix}${nameOf(layer)}/`)
          : layer,
      )
      return { ...rest, config: { ...kept, layers: inner } }
    }
    if (kindOf(entry) === 'TimeDistributed' && isObject(config.layer)) {
      const place = `${path}/${nameOf(config.layer)}`
      return { ...rest, config: { ...config, layer: change(config.layer, place, `${place}/`) } }
    }
    if (kindOf(entry) === 'InputLayer') {
      const outer =
        prefix === '' ? grown.graph.inputs.find(({ name }) => name === config.name) : undefined
      const shape =
        innerShape.get(path) ?? (outer?.type.kind === 'tensor' ? outer.type.shape : undefined)
      const key = 'batch_shape' in config ? 'batch_shape' : 'batch_input_shape'
      const old = config[key]
      if (!shape || !Array.isArray(old)) return rest
      const sizes = (old as readonly Json[]).map((size, k) =>
        typeof size === 'number' && typeof shape[k] === 'number' ? shape[k] : size,
      )
      return { ...rest, config: { ...config, [key]: sizes } }
    }
    const placed = network.layers.get(path)
    return placed
      ? {
          ...rest,
          config: {
            ...config,
            ...sizesOf(placed, file, tensors, grown),
            ...numbersOf(placed, plan, file),
          },
        }
      : rest
  }
  return change(file.model, '', '')
}

/** Numbers of the config that a plan changes: attributes of the node have the names that they have in Keras. */
function numbersOf({ path, kind, config }: PlacedLayer, plan: GrowthPlan, file: KerasFile) {
  const own = (plan.floats ?? []).filter(({ node }) => node === path)
  for (const { attribute } of own)
    if (typeof config[attribute] !== 'number')
      throw refusedError(
        `The layer ${quote(path)} (${kind}) of ${file.name} would need another ${attribute}, which its config does not have.`,
        { where: path, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
      )
  return Object.fromEntries(own.map(({ attribute, to }) => [attribute, to]))
}

function sizesOf(
  placed: PlacedLayer,
  file: KerasFile,
  tensors: ReadonlyMap<string, LazyTensor>,
  grown: Model,
): JsonObject {
  const { layer, config, path, kind } = placed
  const node = grown.graph.nodes.find(({ name }) => name === path)
  const sizes = layer.sizes?.(dimsOf(placed, file, tensors).after, config, {
    constant(name) {
      const tensor = grown.graph.initializers.get(`${path}/${name}`)?.tensor
      return tensor && toNumbers(tensor)
    },
    attribute: (name) => node && intAttribute(node, name, undefined),
  })
  if (typeof sizes === 'string')
    throw refusedError(`The layer ${quote(path)} (${kind}) cannot grow so: ${sizes}.`, {
      where: path,
      hint: 'Grow its other layers along, or write an ONNX file instead (-o FILE.onnx).',
    })
  return sizes ?? {}
}
