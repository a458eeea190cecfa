/** New layers in the config of a Keras model and in its file, behind the layer that a growth plan deepens. */
import { refusedError } from '../../errors.ts'
import { quote } from '../../model/quote.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Hdf5Group, Hdf5Object, Hdf5Value } from '../hdf5-read.ts'
import { type KerasTensor, withTensors } from './inbound.ts'
import { isObject, type Json, type JsonObject } from './json.ts'
import {
  groupAt,
  type KerasFile,
  listedWeights,
  withGroup,
  withNames,
  withWeights,
} from './keras-file.ts'
import type { NewLayer } from './new-layers.ts'
import { inKerasOrder } from './order.ts'
import {
  configOf,
  containerFolders,
  entriesOf,
  folderNames,
  isLayer,
  isModel,
  isSequential,
  kindOf,
  layersFolder,
  legacyOrder,
  nameOf,
} from './place.ts'
import type { ValueSite } from './to-model.ts'

export interface LayerInsertion {
  readonly site: ValueSite
  /** First to last; the last gives what the layer of the site gave. */
  readonly layers: readonly NewLayer[]
  /** Sizes of the value that they take and give, the batch first. */
  readonly shape: readonly Json[]
  /** The numbers of a new variable. */
  readonly tensorOf: (layer: NewLayer, variable: string) => LazyTensor
}

/**
 * The file with new layers. The state of the optimizer is as it was.
 *
 * @throws Net2NetError (refused) where the config of the model around them cannot say it
 */
export function insertLayers(file: KerasFile, insertion: LayerInsertion): KerasFile {
  const { path } = insertion.site
  const around = path.split('/').slice(0, -1)
  const place = containerAt(file, around, path)
  const changed = withEntries(place.model, insertion)
  const model = replaceAt(file.model, around, changed)
  const weights =
    file.format === 'keras'
      ? inArchive(file, place, changed, insertion)
      : inLegacy(file, model, around, insertion)
  return withWeights({ ...file, model }, weights)
}

interface Container {
  readonly model: JsonObject
  /** Where Keras 3 keeps it, with a slash at its end; the outermost model lies at ''. */
  readonly folder: string
}

/** The model that lists the layer of a path. */
function containerAt(file: KerasFile, around: readonly string[], path: string): Container {
  let found: Container = { model: file.model, folder: '' }
  for (const name of around) {
    const inner = entriesOf(found.model).find((entry) => nameOf(entry) === name)
    if (!inner || !isModel(inner))
      throw refusedError(
        `A layer behind ${quote(path)} would stand inside ${quote(name)}, which holds one layer only.`,
        { where: path, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
      )
    const folder = containerFolders(file, found.model, found.folder).get(name) ?? ''
    found = { model: inner, folder: `${folder}/` }
  }
  return found
}

function replaceAt(model: JsonObject, around: readonly string[], changed: JsonObject): JsonObject {
  const [name, ...further] = around
  if (name === undefined) return changed
  const layers = (configOf(model).layers as readonly Json[]).map((entry) =>
    isObject(entry) && nameOf(entry) === name ? replaceAt(entry, further, changed) : entry,
  )
  return { ...model, config: { ...configOf(model), layers } }
}

// The config ----------------------------------------------------------------------------------------

function withEntries(model: JsonObject, insertion: LayerInsertion): JsonObject {
  const { site, layers } = insertion
  const owner = site.path.slice(site.path.lastIndexOf('/') + 1)
  const origin = entriesOf(model).find((entry) => nameOf(entry) === owner)!
  const used = new Set(entriesOf(model).map(nameOf))
  const taken = layers.find(({ name }) => used.has(name))
  if (taken)
    throw refusedError(`There is a layer ${quote(taken.name)} already.`, { where: taken.name })
  const moved: JsonObject = site.beforeActivation
    ? { ...origin, config: { ...configOf(origin), activation: 'linear' } }
    : origin
  const entries = entriesOf(model).map((entry) => (entry === origin ? moved : entry))
  if (isSequential(model)) {
    const isChain = layers.every(
      ({ inputs }, i) => inputs.length === 1 && inputs[0] === layers[i - 1]?.name,
    )
    if (!isChain)
      throw refusedError(
        `${quote(layers[0]!.name)} would be a sum of two ways, which a Sequential model cannot have.`,
        {
          where: layers[0]!.name,
          hint: 'Build the model by the functional API: keras.Model(inputs, outputs).',
        },
      )
    const at = entries.indexOf(moved)
    const all = [
      ...entries.slice(0, at + 1),
      ...layers.map((layer) => entryOf(layer, origin)),
      ...entries.slice(at + 1),
    ]
    return { ...model, config: { ...configOf(model), layers: all } }
  }
  const old: KerasTensor = { layer: owner, node: site.node, tensor: site.tensor }
  const last: KerasTensor = { layer: layers.at(-1)!.name, node: 0, tensor: 0 }
  const rewired = (tensor: KerasTensor) =>
    tensor.layer === old.layer && tensor.node === old.node && tensor.tensor === old.tensor
      ? last
      : tensor
  const config = configOf(model)
  const all = [
    ...entries.map((entry) => ({
      ...entry,
      inbound_nodes: withTensors(entry.inbound_nodes ?? [], rewired),
    })),
    ...layers.map((layer) => functionalEntry(layer, origin, old, insertion.shape)),
  ]
  const changed: JsonObject = {
    ...model,
    config: {
      ...config,
      layers: all,
      output_layers: withTensors(config.output_layers ?? [], rewired),
    },
  }
  return { ...changed, config: { ...configOf(changed), layers: inKerasOrder(changed) } }
}

/** An entry of the config, with what the one before has beside its config. */
function entryOf({ kind, config }: NewLayer, origin: JsonObject): JsonObject {
  const { module } = origin
  return {
    ...(module !== undefined && { module: 'keras.layers', registered_name: null }),
    class_name: kind,
    config,
  }
}

function functionalEntry(
  layer: NewLayer,
  origin: JsonObject,
  old: KerasTensor,
  shape: readonly Json[],
): JsonObject {
  const [first] = Array.isArray(origin.inbound_nodes)
    ? (origin.inbound_nodes as readonly Json[])
    : []
  const histories = layer.inputs.map((input): [string, number, number] =>
    input === undefined ? [old.layer, old.node, old.tensor] : [input, 0, 0],
  )
  const tensors = histories.map(
    (history): JsonObject => ({
      class_name: '__keras_tensor__',
      config: { shape, dtype: 'float32', keras_history: history },
    }),
  )
  const isOld = Array.isArray(first)
  const node: Json = isOld
    ? histories.map((history): Json => [...history, {}])
    : { args: tensors.length === 1 ? tensors : [tensors], kwargs: {} }
  return { ...entryOf(layer, origin), name: layer.name, inbound_nodes: [node] }
}

// The file --------------------------------------------------------------------------------------------

const group = (
  children: Iterable<readonly [string, Hdf5Object]>,
  attributes: Iterable<readonly [string, Hdf5Value]> = [],
): Hdf5Group => ({ kind: 'group', attributes: new Map(attributes), children: new Map(children) })

const dataset = (tensor: LazyTensor): Hdf5Object => ({
  kind: 'dataset',
  attributes: new Map(),
  value: { kind: 'numbers', tensor },
})

/** Keras 3 names folders by the classes in the order of the layers: all are named anew. */
function inArchive(
  file: KerasFile,
  { model, folder }: Container,
  changed: JsonObject,
  { layers, tensorOf }: LayerInsertion,
): Hdf5Group {
  const old = containerFolders(file, model, folder)
  const made = new Map(layers.map((layer) => [layer.name, layer]))
  const nameFor = folderNames()
  const children = entriesOf(changed).flatMap((entry): [string, Hdf5Object][] => {
    if (!isLayer(entry)) return []
    const name = nameOf(entry)
    const layer = made.get(name)
    const place = nameFor(kindOf(entry))
    if (!layer) {
      const own = groupAt(file.weights, old.get(name) ?? '')
      return own && old.has(name) ? [[place, own]] : []
    }
    const vars = layer.variables.map(
      (each, i) => [`${i}`, dataset(tensorOf(layer, each.name))] as const,
    )
    const says: Hdf5Value = { kind: 'texts', dims: [], texts: [name] }
    return [[place, group([['vars', group(vars, [['name', says]])]])]]
  })
  const root = `${folder}${layersFolder(file)}`
  const before = groupAt(file.weights, root)
  return withGroup(file.weights, root, group(children, before?.attributes))
}

/** Older files name the group by the layer, and list the variables of each outermost layer in their order. */
function inLegacy(
  file: KerasFile,
  model: JsonObject,
  around: readonly string[],
  { layers, tensorOf }: LayerInsertion,
): Hdf5Group {
  const prefix = around.map((name) => `${name}/`).join('')
  const [top] = around
  let weights = file.weights
  const suffix = /:0$/.test(listedIn(file)[0] ?? '') ? ':0' : ''
  for (const layer of layers) {
    const owner = `model_weights/${top ?? layer.name}`
    if (!groupAt(weights, owner)) weights = withGroup(weights, owner, group([]))
    for (const { name } of layer.variables) {
      const at = `${owner}/${prefix}${layer.name}`
      const inner = groupAt(weights, at) ?? group([])
      const children = new Map(inner.children)
      children.set(`${name}${suffix}`, dataset(tensorOf(layer, name)))
      weights = withGroup(weights, at, { ...inner, children })
    }
  }
  const named = legacyOrder(file, model)
  const old = legacyOrder(file, file.model)
  for (const owner of top === undefined ? layers.map(({ name }) => name) : [top]) {
    const before = groupAt(file.weights, `model_weights/${owner}`)
    const listed = before ? listedWeights(before) : []
    const places = new Map((old.get(owner) ?? []).map((key, i) => [key, listed[i]]))
    const names = (named.get(owner) ?? []).map(
      (key) => places.get(key) ?? `${key.replace(' ', '/')}${suffix}`,
    )
    const own = groupAt(weights, `model_weights/${owner}`)!
    weights = withGroup(weights, `model_weights/${owner}`, withNames(own, 'weight_names', names))
  }
  const root = groupAt(weights, 'model_weights')!
  const inOrder = entriesOf(model)
    .map(nameOf)
    .filter((name) => root.children.has(name))
  return withGroup(weights, 'model_weights', withNames(root, 'layer_names', inOrder))
}

/** Names of variables that the file lists: those of Keras 2 end with `:0`. */
const listedIn = ({ weights }: KerasFile): readonly string[] =>
  [...(groupAt(weights, 'model_weights')?.children.values() ?? [])].flatMap((child) =>
    child.kind === 'group' ? listedWeights(child) : [],
  )
