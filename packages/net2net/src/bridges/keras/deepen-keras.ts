/** New layers in a file of Keras. */
import { refusedError } from '../../errors.ts'
import { applyPlan } from '../../growth/apply/apply.ts'
import { emptyPlan } from '../../growth/empty-plan.ts'
import type { GrowthPlan, Insertion } from '../../growth/growth-plan.ts'
import { quote } from '../../model/quote.ts'
import { inferModel } from '../../operators/inference.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Binding } from '../bind.ts'
import { rearranged } from '../rearranged.ts'
import { insertLayers } from './insert-layers.ts'
import { arranged, type KerasState, withStates } from './keras-state.ts'
import { type NewLayer, newLayers } from './new-layers.ts'
import { keyOf, optimizerStates, trainedVariables } from './optimizer.ts'
import { type PlacedLayer, placeLayers } from './place.ts'
import type { KerasModel, ValueSite } from './to-model.ts'

/** One new layer or block in its place, with what an optimizer keeps for it. */
export function deepenKeras(
  { file, network }: KerasState,
  insertion: Insertion,
  plan: GrowthPlan,
): KerasState {
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
