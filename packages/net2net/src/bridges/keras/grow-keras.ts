/**
 * A growth plan, made on the ONNX model of a Keras network, applied to the Keras file: its variables, the state of its
 * optimizer, and the config that must say the new sizes and list the new layers.
 */

import { internalError, refusedError } from '../../errors.ts'
import { applyPlan } from '../../growth/apply/apply.ts'
import { emptyPlan } from '../../growth/empty-plan.ts'
import type { GrowthPlan, Insertion } from '../../growth/growth-plan.ts'
import { intAttribute } from '../../model/attributes.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import { inferModel } from '../../operators/inference.ts'
import { lazyFill } from '../../tensor/lazy.ts'
import { type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import type { Binding } from '../bind.ts'
import { combined } from '../combined.ts'
import { growEntries, growEntrySlots } from '../grow-entries.ts'
import type { Hdf5Dataset } from '../hdf5-read.ts'
import { rearranged } from '../rearranged.ts'
import { insertLayers } from './insert-layers.ts'
import { isObject, type Json, type JsonObject } from './json.ts'
import {
  groupAt,
  type KerasFile,
  withGroup,
  withNames,
  withTensors,
  withWeights,
} from './keras-file.ts'
import { type NewLayer, newLayers } from './new-layers.ts'
import {
  keyOf,
  type OptimizerState,
  type OptimizerVariable,
  optimizerStates,
  trainedVariables,
} from './optimizer.ts'
import { configOf, isModel, kindOf, nameOf, type PlacedLayer, placeLayers } from './place.ts'
import type { KerasModel, ValueSite } from './to-model.ts'

/** A file of Keras, and the ONNX model of its network. */
export interface KerasState {
  readonly file: KerasFile
  readonly network: KerasModel
}

/**
 * File and network after growth. The ONNX model is the one that the plan makes, with its names, so that a plan made on
 * that can follow.
 *
 * @throws Net2NetError (refused) where the config cannot say what the plan does, or a variable that layers share would
 *   become two; where the optimizer keeps state whose growth is unknown
 */
export function growKeras({ file, network }: KerasState, plan: GrowthPlan): KerasState {
  const [kernel] = plan.kernels ?? []
  if (kernel)
    throw refusedError(
      `${quote(kernel.name)} of ${file.name} would have another size; kernels become larger in ONNX files only.`,
      { where: kernel.name, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  if (plan.removed)
    throw refusedError(`Layers of ${file.name} would be removed; files of Keras are only grown.`, {
      where: plan.removed[0]!.name,
      hint: 'Write an ONNX file instead (-o FILE.onnx).',
    })
  const [resized] = plan.units.length === 0 ? (plan.declared ?? []) : []
  if (resized)
    throw refusedError(
      `The ${resized.kind} ${quote(resized.name)} of ${file.name} would have another size; inputs get other sizes in ONNX files only.`,
      { where: resized.name, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  const [adapter] = plan.adapters ?? []
  if (adapter)
    throw refusedError(
      `${quote(adapter.weight)} of ${file.name} would get an adapter; these are for ONNX files only.`,
      { where: adapter.weight, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  const [repeated] = plan.repeated ?? []
  if (repeated)
    throw refusedError(
      `${quote(repeated.blocks.join(', '))} would be there once more in ${file.name}; blocks are repeated in ONNX files only.`,
      { where: repeated.blocks[0], hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  const widened = widen({ file, network }, plan)
  return plan.inserted.reduce((state, insertion) => deepen(state, insertion, plan), widened)
}

// Wider layers -----------------------------------------------------------------------------------------

function widen({ file, network }: KerasState, plan: GrowthPlan): KerasState {
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

// New layers --------------------------------------------------------------------------------------------

function deepen({ file, network }: KerasState, insertion: Insertion, plan: GrowthPlan): KerasState {
  const model = applyPlan(network.model, { ...emptyPlan(plan.seed), inserted: [insertion] })
  const site = network.sites.get(insertion.value)
  const origin = site && network.layers.get(site.path)
  if (!site || !origin) {
    const inside = [...network.layers.keys()].find((path) => insertion.after.startsWith(path))
    throw refusedError(
      `${quote(insertion.name)} would stand inside the layer ${quote(inside ?? insertion.after)} of ${file.name}.`,
      { where: insertion.after, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  }
  mustBeCalledOnce(network, site, insertion)
  const layers = activated(newLayers(insertion, model, origin), site, origin)
  const tensorOf = (layer: NewLayer, variable: string): LazyTensor => {
    const found = layer.variables.find(({ name }) => name === variable)!
    const { tensor } = model.graph.initializers.get(found.initializer)!
    return rearranged(tensor, found.axes)
  }
  const shape = (inferModel(model).get(insertion.value)?.shape ?? []).map((size) =>
    typeof size === 'number' ? size : null,
  )
  const states = optimizerStates(file, network.layers)
  const inserted = insertLayers(file, { site, layers, shape, tensorOf })
  const placed = placeLayers(inserted)
  const prefix = site.path.slice(0, site.path.lastIndexOf('/') + 1)
  const variables = trainedVariables(inserted, placed)
  const grownFile = withStates(
    inserted,
    states.map((state) => arranged(state, variables)),
  )
  const places = entriesByKey(placed)
  const keys = new Map([...entriesByKey(network.layers)].map(([key, entry]) => [entry, key]))
  const bindings = [
    ...network.bindings.map((each) => ({ ...each, entry: places.get(keys.get(each.entry)!)! })),
    ...layers.flatMap((layer) =>
      layer.variables.map(
        ({ name, initializer, axes }): Binding => ({
          entry: places.get(keyOf(`${prefix}${layer.name}`, name))!,
          initializer,
          axes,
        }),
      ),
    ),
  ]
  return {
    file: grownFile,
    network: {
      ...network,
      model,
      layers: placed,
      bindings,
      sites: movedSites(network, insertion, site, layers, prefix),
      calls: new Map([
        ...network.calls,
        ...layers.map(({ name }): [string, number] => [`${prefix}${name}`, 1]),
      ]),
    },
  }
}

/** Layers inside a model that is called twice, and activations of layers that are, stand for several places. */
function mustBeCalledOnce(network: KerasModel, site: ValueSite, { name }: Insertion): void {
  const steps = site.path.split('/')
  const around = steps.slice(0, -1).map((_, i) => steps.slice(0, i + 1).join('/'))
  const shared = [...around, ...(site.beforeActivation ? [site.path] : [])].find(
    (path) => (network.calls.get(path) ?? 1) > 1,
  )
  if (shared !== undefined)
    throw refusedError(
      `${quote(name)} would be one layer for several calls of ${quote(shared)}, which a plan deepens one by one.`,
      { where: shared, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
}

/** The activation of a layer behind which others come before it moves to the last of them. */
function activated(
  layers: readonly NewLayer[],
  { beforeActivation }: ValueSite,
  { config }: PlacedLayer,
): readonly NewLayer[] {
  const last = layers.at(-1)!
  if (!beforeActivation) return layers
  const { activation = 'linear' } = config
  if (/^(Dense|(Depthwise)?Conv\dD)$/.test(last.kind) && last.linear === undefined) {
    const moved = { ...last, config: { ...last.config, activation }, linear: last.output }
    return [...layers.slice(0, -1), moved]
  }
  const name = `${layers[0]!.name}_act`
  const { dtype } = config
  const own = { name, ...(dtype !== undefined && { dtype }), activation }
  const { output } = last
  const layer = {
    name,
    kind: 'Activation',
    config: own,
    variables: [],
    inputs: [last.name],
    output,
  }
  return [...layers, { ...layer, linear: output }]
}

/** Where values of the ONNX model are those of Keras after the insertion. */
function movedSites(
  { sites }: KerasModel,
  { value, source }: Insertion,
  site: ValueSite,
  layers: readonly NewLayer[],
  prefix: string,
): ReadonlyMap<string, ValueSite> {
  const { beforeActivation, ...place } = site
  const of = (layer: NewLayer): ValueSite => ({
    path: `${prefix}${layer.name}`,
    node: 0,
    tensor: 0,
    beforeActivation: false,
  })
  const last = layers.at(-1)!
  const result = new Map(sites)
  // What the layer's activation gave is now what that of the last new layer gives.
  if (beforeActivation)
    for (const [name, each] of sites)
      if (!each.beforeActivation && each.path === site.path && each.node === site.node)
        result.set(name, of(last))
  result.set(source, { ...place, beforeActivation: false })
  for (const layer of layers) {
    if (layer.linear !== undefined)
      result.set(layer.linear, { ...of(layer), beforeActivation: true })
    if (layer.output !== layer.linear) result.set(layer.output, of(layer))
  }
  result.set(value, { ...of(last), beforeActivation })
  return result
}

const entriesByKey = (layers: ReadonlyMap<string, PlacedLayer>): ReadonlyMap<string, string> =>
  new Map(
    [...layers.values()].flatMap(({ path, variables }) =>
      [...variables].map(([name, entry]) => [keyOf(path, name), entry] as const),
    ),
  )

// The optimizer ---------------------------------------------------------------------------------------

/** The state for variables of which some are new: these begin as an optimizer begins. */
function arranged(
  state: OptimizerState,
  variables: ReturnType<typeof trainedVariables>,
): OptimizerState {
  const nameOfPlace = ({ slot, of }: Pick<OptimizerVariable, 'slot' | 'of'>) =>
    `${slot?.name} ${of}`
  const known = new Map(
    state.variables.flatMap((each) =>
      each.slot ? [[nameOfPlace(each), each.tensor] as const] : [],
    ),
  )
  const counters = state.variables.filter(({ slot }) => !slot).map(({ tensor }) => tensor)
  const byKey = new Map(variables.map((each) => [each.key, each.tensor]))
  return {
    ...state,
    variables: state.arrange(variables).map((place): OptimizerVariable => {
      if (!place.slot) return { ...place, tensor: counters.shift()! }
      const own = byKey.get(place.of!)
      const { power, initial } = place.slot
      const old = known.get(nameOfPlace(place))
      if (old) return { ...place, tensor: old }
      if (!own) throw internalError(`The optimizer has a slot of no variable: ${place.of}.`)
      const filled = lazyFill({ kind: 'constant', value: initial }, own.dtype, own.dims, 0)
      return { ...place, tensor: power === 'weight' ? own : filled }
    }),
  }
}

/** The file with the optimizer's variables in their places, under the names that they had where they were there before. */
function withStates(file: KerasFile, states: readonly OptimizerState[]): KerasFile {
  return states.reduce((result, { folder, variables }) => {
    const group = groupAt(result.weights, folder)!
    const dataset = (tensor: LazyTensor): Hdf5Dataset => ({
      kind: 'dataset',
      attributes: new Map(),
      value: { kind: 'numbers', tensor },
    })
    if (file.format === 'keras') {
      const children = new Map(variables.map(({ tensor }, i) => [`${i}`, dataset(tensor)] as const))
      return withWeights(result, withGroup(result.weights, folder, { ...group, children }))
    }
    // Keras counts on their order alone.
    const names = variables.map(
      ({ slot, of }, i) =>
        `optimizer/${slot ? `${of!.replaceAll(/[ /]/g, '_')}_${slot.name}` : `counter_${i}`}`,
    )
    const children = new Map(
      variables.map(
        ({ tensor }, i) => [names[i]!.slice('optimizer/'.length), dataset(tensor)] as const,
      ),
    )
    const inner = { kind: 'group' as const, attributes: new Map(), children }
    const listed = withNames(
      { ...group, children: new Map([['optimizer', inner]]) },
      'weight_names',
      names,
    )
    return withWeights(result, withGroup(result.weights, folder, listed))
  }, file)
}
