/** The layers of a Keras network in Keras' order, with the places of their variables in the file. */
import { inputError, refusedError } from '../../errors.ts'
import { quote } from '../../model/quote.ts'
import { textOf } from '../hdf5-read.ts'
import { asText, isObject, type JsonObject } from './json.ts'
import { groupAt, type KerasFile, listedWeights } from './keras-file.ts'
import { exportInstead } from './layers/config.ts'
import type { KerasLayer } from './layers/contract.ts'
import { kerasLayers, kerasOperations } from './layers/table.ts'

/** A layer of a network, with what its variables are called in the file. */
export interface PlacedLayer {
  /** Names of the models around it and its own: `encoder/conv1`. */
  readonly path: string
  readonly kind: string
  readonly config: JsonObject
  readonly layer: KerasLayer
  /** Paths of its variables in the file, by their names. */
  readonly variables: ReadonlyMap<string, string>
  readonly isTrained: boolean
}

/** Classes of models that say in the file what they compute. */
const modelClasses = new Set(['Sequential', 'Functional', 'Model'])

export const kindOf = ({ class_name: kind }: JsonObject): string => asText(kind)
export const configOf = ({ config }: JsonObject): JsonObject => (isObject(config) ? config : {})
export const isModel = (entry: JsonObject): boolean => modelClasses.has(kindOf(entry))
export const isSequential = (entry: JsonObject): boolean => kindOf(entry) === 'Sequential'
export const nameOf = (entry: JsonObject): string =>
  asText(configOf(entry).name ?? entry.name ?? '')

/** The layers of a model, inputs included, as its config lists them. */
export function entriesOf(model: JsonObject): readonly JsonObject[] {
  const { layers } = configOf(model)
  return (Array.isArray(layers) ? layers : []).filter(isObject)
}

/** The layer that a wrapper applies to each step; undefined for other layers. */
export function wrappedIn(entry: JsonObject): JsonObject | undefined {
  const { layer } = configOf(entry)
  return kindOf(entry) === 'TimeDistributed' && isObject(layer) ? layer : undefined
}

/** Variables that training changes. */
export const trainedIn = ({ layer, variables, isTrained }: PlacedLayer): readonly string[] =>
  isTrained
    ? [...variables.keys()].filter((name) => layer.trained?.includes(baseOf(name)) ?? true)
    : []

const baseOf = (name: string): string => name.slice(name.lastIndexOf('/') + 1)

/** A layer of the config, and where Keras 3 keeps its variables. */
interface Site {
  readonly path: string
  readonly entry: JsonObject
  readonly folder: string
  readonly isTrained: boolean
  /** The layer of the outermost model that it belongs to. */
  readonly top: string
}

/**
 * Operations stand in the config of a model, and not among its layers. Older files do not say their module; only layers
 * can be trained.
 */
export function isLayer(entry: JsonObject): boolean {
  const { module } = entry
  if (typeof module === 'string') return !module.startsWith('keras.src.ops')
  const isOperation = Object.hasOwn(kerasOperations, kindOf(entry))
  return !isOperation || 'trainable' in configOf(entry)
}

/** Keras' `to_snake_case`, which names folders by classes: `MaxPooling2D` is `max_pooling2d`; one class has two names. */
export const folderName = (kind: string): string =>
  kind
    .replace(/^GroupQuery/, 'GroupedQuery')
    .replaceAll(/\W+/g, '')
    .replaceAll(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()

/** Names that count the members of a list with the same folder: `dense`, `dense_1`. */
export function folderNames(): (kind: string) => string {
  const used = new Map<string, number>()
  return (kind) => {
    const name = folderName(kind)
    const count = used.get(name)
    used.set(name, (count ?? -1) + 1)
    return count === undefined ? name : `${name}_${count + 1}`
  }
}

/** The group in which Keras keeps the layers of a model; TensorFlow 2.13 called it otherwise. */
export const layersFolder = (file: KerasFile): string =>
  groupAt(file.weights, '_layer_checkpoint_dependencies')
    ? '_layer_checkpoint_dependencies'
    : 'layers'

/**
 * All layers with variables or without, models inside the model taken apart, in the order in which Keras counts their
 * variables.
 *
 * @throws Net2NetError (refused) for layers that are not understood, by name; (input) where a variable is missing
 */
export function placeLayers(file: KerasFile): ReadonlyMap<string, PlacedLayer> {
  const legacy = file.format === 'h5' ? legacyPaths(file, file.model) : undefined
  const placed = new Map<string, PlacedLayer>()
  for (const site of sitesIn(file, file.model, outermost)) {
    const { path } = site
    if (placed.has(path))
      throw inputError(`${file.name} has two layers ${quote(path)}.`, { where: path })
    const layer = unplaced(file, site)
    const names = [...layer.variables.keys()]
    const variables = legacy
      ? new Map(names.map((name) => [name, legacy.get(`${path} ${name}`)!]))
      : archivePaths(file, site, names)
    placed.set(path, { ...layer, variables })
  }
  return placed
}

/** A layer whose variables have names, and no places yet. */
type Unplaced = PlacedLayer

function unplaced(file: KerasFile, { path, entry, isTrained }: Site): Unplaced {
  const layer = layerOf(file, path, entry)
  const config = configOf(entry)
  const variables = new Map((layer.variables?.(config) ?? []).map((name) => [name, '']))
  return { path, kind: kindOf(entry), config, layer, variables, isTrained }
}

const outermost: Around = { prefix: '', folder: '', isTrained: true }

interface Around {
  readonly prefix: string
  readonly folder: string
  readonly isTrained: boolean
  readonly top?: string
}

/** The folders of the layers of a model, which itself lies at `folder`, by their names. */
export function containerFolders(
  file: KerasFile,
  model: JsonObject,
  folder: string,
): ReadonlyMap<string, string> {
  const folderOf = folderNames()
  const root = `${folder}${layersFolder(file)}`
  return new Map(
    entriesOf(model)
      .filter(isLayer)
      .map((entry) => {
        const name = nameOf(entry)
        return [name, folderNamed(file, root, `${root}/${folderOf(kindOf(entry))}`, name)]
      }),
  )
}

function* sitesIn(file: KerasFile, model: JsonObject, around: Around): Generator<Site> {
  const folders = containerFolders(file, model, around.folder)
  for (const entry of entriesOf(model)) {
    // Inputs have no variables.
    if (kindOf(entry) === 'InputLayer') continue
    const name = nameOf(entry)
    yield* sitesOf(file, entry, {
      path: `${around.prefix}${name}`,
      folder: folders.get(name) ?? '',
      isTrained: around.isTrained && configOf(entry).trainable !== false,
      top: around.top ?? name,
    })
  }
}

function* sitesOf(
  file: KerasFile,
  entry: JsonObject,
  { path, folder, isTrained, top }: Omit<Site, 'entry'>,
): Generator<Site> {
  const inner = wrappedIn(entry)
  if (isModel(entry)) {
    yield* sitesIn(file, entry, { prefix: `${path}/`, folder: `${folder}/`, isTrained, top })
  } else if (inner) {
    const place = { path: `${path}/${nameOf(inner)}`, folder: `${folder}/layer`, isTrained, top }
    yield* sitesOf(file, inner, place)
  } else yield { path, entry, folder, isTrained, top }
}

/** The folder at its place by the count of classes, or the one that says the layer's name. */
function folderNamed(file: KerasFile, root: string, expected: string, name: string): string {
  const says = (folder: string) =>
    textOf(groupAt(file.weights, `${folder}/vars`)?.attributes.get('name'))
  const own = says(expected)
  if (own === undefined || own === name) return expected
  const folders = [...(groupAt(file.weights, root)?.children.keys() ?? [])]
  const found = folders.find((folder) => says(`${root}/${folder}`) === name)
  return found === undefined ? expected : `${root}/${found}`
}

function layerOf(file: KerasFile, path: string, entry: JsonObject): KerasLayer {
  const kind = kindOf(entry)
  const { registered_name: registered } = entry
  const isOwn = typeof registered === 'string' && registered !== kind
  if (!isLayer(entry)) {
    const operation = Object.hasOwn(kerasOperations, kind) ? kerasOperations[kind] : undefined
    if (operation) return operation
    throw refusedError(
      `${quote(path)} of ${file.name} is the operation ${quote(kind)} of keras.ops, which is not supported.`,
      { where: path, hint: `Use a layer for it, or: ${exportInstead}` },
    )
  }
  const layer = Object.hasOwn(kerasLayers, kind) ? kerasLayers[kind] : undefined
  if (!layer || isOwn)
    throw refusedError(
      `The layer ${quote(path)} of ${file.name} is of the class ${quote(kind)}, which is not supported.`,
      { where: path, hint: exportInstead },
    )
  const policy = configOf(entry).dtype
  if (isObject(policy) && /Quantized/.test(kindOf(policy)))
    throw refusedError(
      `The layer ${quote(path)} of ${file.name} is quantized (${asText(configOf(policy).mode ?? kindOf(policy))}), and numbers that were rounded so do not grow.`,
      { where: path, hint: 'Grow the network before it is quantized.' },
    )
  return layer
}

/** Keras 3 numbers the variables of each layer, also of those inside a layer, from 0. */
function archivePaths(
  file: KerasFile,
  { path, folder }: Site,
  names: readonly string[],
): ReadonlyMap<string, string> {
  const counts = new Map<string, number>()
  return new Map(
    names.map((name) => {
      const inner = name.slice(0, -baseOf(name).length)
      const index = counts.get(inner) ?? 0
      counts.set(inner, index + 1)
      const place = `${folder}/${inner}vars/${index}`
      if (!file.tensors.has(place))
        throw inputError(
          `${file.name} has no variable ${quote(name)} for the layer ${quote(path)} (at ${place}).`,
          { where: path },
        )
      return [name, place]
    }),
  )
}

/** The variables of layers as an older file lists them: those that are trained first. */
function listedOrder(layers: readonly Unplaced[]): readonly string[] {
  const all = layers.flatMap((layer) => {
    const trained = new Set(trainedIn(layer))
    return [...layer.variables.keys()].map((name) => ({
      key: `${layer.path} ${name}`,
      isTrained: trained.has(name),
    }))
  })
  return [...all.filter((each) => each.isTrained), ...all.filter((each) => !each.isTrained)].map(
    ({ key }) => key,
  )
}

/** What an older file lists for each outermost layer of a model, as `path variable`. */
export function legacyOrder(
  file: KerasFile,
  model: JsonObject,
): ReadonlyMap<string, readonly string[]> {
  const byTop = new Map<string, Unplaced[]>()
  for (const site of sitesIn(file, model, outermost)) {
    const list = byTop.get(site.top) ?? []
    list.push(unplaced(file, site))
    byTop.set(site.top, list)
  }
  return new Map([...byTop].map(([top, layers]) => [top, listedOrder(layers)]))
}

function legacyPaths(file: KerasFile, model: JsonObject): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [top, keys] of legacyOrder(file, model)) {
    const group = groupAt(file.weights, `model_weights/${top}`)
    const paths = group ? listedWeights(group).map((name) => `model_weights/${top}/${name}`) : []
    if (keys.length !== paths.length)
      throw inputError(
        `${file.name} has ${paths.length} variables for the layer ${quote(top)}, which needs ${keys.length}.`,
        { where: top },
      )
    const missing = paths.find((path) => !file.tensors.has(path))
    if (missing !== undefined)
      throw inputError(`${file.name} lists ${quote(missing)} and does not hold it.`, {
        where: top,
      })
    keys.forEach((key, i) => {
      found.set(key, paths[i]!)
    })
  }
  return found
}
