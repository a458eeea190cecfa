/** A network of Keras as an ONNX model whose weights are views of the Keras file. */
import { inputError, refusedError } from '../../errors.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { Binding } from '../bind.ts'
import { type Hdf5Group, textOf } from '../hdf5-read.ts'
import { rearranged } from '../rearranged.ts'
import { groupAt, isObject, type Json, type JsonObject, type KerasFile } from './keras-file.ts'
import { channelsLast, type KerasLayer, type KerasValue, kerasLayers } from './layers.ts'

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

/** The input of a model inside the model. */
export interface InnerInput {
  readonly path: string
  readonly value: KerasValue
}

export interface KerasModel {
  readonly model: Model
  /** Which variable of the file is which initializer. */
  readonly bindings: readonly Binding[]
  /** In the order of the file: that of the optimizer's variables. */
  readonly layers: readonly PlacedLayer[]
  readonly innerInputs: readonly InnerInput[]
}

/**
 * Builds the ONNX model that computes what the Keras model computes in inference.
 *
 * @throws Net2NetError (refused) for layers that are not understood, naming them; (input) for a broken file
 */
export function kerasToModel(file: KerasFile): KerasModel {
  return new Conversion(file).run()
}

/** A call of a layer that is still to be built. */
interface Call {
  readonly name: string
  readonly entry: JsonObject
  readonly node: number
  readonly inputs: readonly string[]
  readonly call: JsonObject
}

const modelClasses = new Set(['Sequential', 'Functional', 'Model'])

class Conversion {
  readonly #file: KerasFile
  readonly #graph = new GraphBuilder()
  readonly #bindings: Binding[] = []
  readonly #layers = new Map<string, PlacedLayer>()
  readonly #innerInputs: InnerInput[] = []

  constructor(file: KerasFile) {
    this.#file = file
  }

  run(): KerasModel {
    const { model: entry, format, weights } = this.#file
    const root = format === 'keras' ? weights : (groupAt(weights, 'model_weights') ?? weights)
    const outputs = this.#model(entry, undefined, '', root)
    const taken = new Set<string>()
    for (const [name, value] of outputs) {
      const last = channelsLast(this.#graph, value)
      const free =
        [...taken].includes(name) || this.#graph.names.has(name) ? `${name}_output` : name
      taken.add(name)
      this.#graph.output(
        this.#graph.node(
          'Identity',
          [last.name],
          {},
          { name: free, outputs: [this.#graph.names.fresh(free)] },
        ),
        'float32',
      )
    }
    const title = isObject(entry.config) ? entry.config.name : undefined
    return {
      model: this.#graph.model(typeof title === 'string' ? title : 'keras'),
      bindings: this.#bindings,
      layers: [...this.#layers.values()],
      innerInputs: this.#innerInputs,
    }
  }

  /** Builds a model on its inputs (its own input layers for the outermost), and returns its outputs by layer. */
  #model(
    entry: JsonObject,
    inputs: readonly KerasValue[] | undefined,
    prefix: string,
    group: Hdf5Group | undefined,
  ): readonly (readonly [string, KerasValue])[] {
    const { config, class_name: kind } = entry
    if (!isObject(config) || typeof kind !== 'string' || !modelClasses.has(kind))
      throw refusedError(
        `${this.#file.name} holds a model of the class ${quote(String(kind))}; only Sequential and Functional models say in the file what they compute.`,
        { where: this.#file.name },
      )
    const layers = (Array.isArray(config.layers) ? config.layers : []).filter(isObject)
    if (layers.length === 0)
      throw inputError(`${this.#file.name}: the model ${quote(String(config.name))} has no layers.`)
    return kind === 'Sequential'
      ? this.#sequential(layers, inputs, prefix, group, config)
      : this.#functional(config, layers, inputs, prefix, group)
  }

  #sequential(
    layers: readonly JsonObject[],
    inputs: readonly KerasValue[] | undefined,
    prefix: string,
    group: Hdf5Group | undefined,
    config: JsonObject,
  ): readonly (readonly [string, KerasValue])[] {
    let value = inputs?.[0]
    let last = ''
    const [first] = layers
    if (first && first.class_name !== 'InputLayer' && !value) {
      const shape = sizesOf(
        config.build_input_shape ?? nested(first, 'config', 'batch_input_shape'),
      )
      if (!shape)
        throw refusedError(
          `${this.#file.name} does not say the shape of its input: the model was never built.`,
          {
            where: this.#file.name,
            hint: 'Begin it with keras.Input(…), or call it once before you save it.',
          },
        )
      value = this.#input('input', shape, 'float32')
    }
    for (const entry of layers) {
      const name = nameOf(entry)
      if (entry.class_name === 'InputLayer') value = this.#inputLayer(entry, value, prefix)
      else {
        const from = value ? [value] : []
        value = this.#apply({ name, entry, node: 0, inputs: [], call: {} }, from, prefix, group)
        last = name
      }
    }
    if (!value || last === '')
      throw inputError(`${this.#file.name}: a model has no layers but inputs.`)
    return [[last, value]]
  }

  #functional(
    config: JsonObject,
    layers: readonly JsonObject[],
    inputs: readonly KerasValue[] | undefined,
    prefix: string,
    group: Hdf5Group | undefined,
  ): readonly (readonly [string, KerasValue])[] {
    const values = new Map<string, KerasValue>()
    const inputKeys = historiesIn(config.input_layers)
    const pending: Call[] = []
    for (const entry of layers) {
      const name = nameOf(entry)
      if (entry.class_name === 'InputLayer') {
        const key = `${name}/0`
        values.set(key, this.#inputLayer(entry, inputs?.[inputKeys.indexOf(key)], prefix))
      } else
        for (const [node, inbound] of inboundOf(entry).entries())
          pending.push({ name, entry, node, ...inbound })
    }
    while (pending.length > 0) {
      const ready = pending.findIndex((call) => call.inputs.every((key) => values.has(key)))
      if (ready < 0)
        throw inputError(
          `${this.#file.name}: the inputs of ${quote(pending[0]!.name)} are not in the file.`,
        )
      const [call] = pending.splice(ready, 1) as [Call]
      const from = call.inputs.map((key) => values.get(key)!)
      values.set(`${call.name}/${call.node}`, this.#apply(call, from, prefix, group))
    }
    return historiesIn(config.output_layers).map((key) => {
      const value = values.get(key)
      if (!value)
        throw inputError(`${this.#file.name}: its output ${quote(key)} is not in the file.`)
      return [key.replace(/\/\d+$/, ''), value]
    })
  }

  #inputLayer(entry: JsonObject, given: KerasValue | undefined, prefix: string): KerasValue {
    const name = nameOf(entry)
    if (given) {
      this.#innerInputs.push({ path: `${prefix}${name}`, value: given })
      return given
    }
    const shape = sizesOf(
      nested(entry, 'config', 'batch_shape') ?? nested(entry, 'config', 'batch_input_shape'),
    )
    if (!shape) throw inputError(`${this.#file.name}: the input ${quote(name)} has no shape.`)
    const dtype = nested(entry, 'config', 'dtype')
    return this.#input(name, shape, typeof dtype === 'string' ? dtype : 'float32')
  }

  #input(name: string, shape: readonly (number | null)[], dtype: string): KerasValue {
    const types = { float32: 'float32', int32: 'int32', int64: 'int64', uint8: 'uint8' } as const
    const type = Object.hasOwn(types, dtype) ? types[dtype as keyof typeof types] : undefined
    if (!type)
      throw refusedError(
        `${this.#file.name}: the input ${quote(name)} has the type ${dtype}, which is not supported.`,
      )
    const dims = shape.map((size, k): Dim => (k === 0 ? 'batch' : (size ?? `${name}_${k}`)))
    return { name: this.#graph.input(name, type, dims), rank: dims.length, channelsFirst: false }
  }

  #apply(
    { name, entry, node, call }: Call,
    inputs: readonly KerasValue[],
    prefix: string,
    group: Hdf5Group | undefined,
  ): KerasValue {
    const kind = String(entry.class_name)
    const path = `${prefix}${name}`
    if (inputs.length === 0)
      throw inputError(`${this.#file.name}: the layer ${quote(path)} has no input.`, {
        where: path,
      })
    if (modelClasses.has(kind)) {
      const outputs = this.#model(entry, inputs, `${path}/`, this.#groupOf(group, name))
      if (outputs.length !== 1)
        throw refusedError(
          `The model ${quote(path)} inside the model has ${outputs.length} outputs, which is not supported.`,
        )
      return outputs[0]![1]
    }
    const layer = Object.hasOwn(kerasLayers, kind) ? kerasLayers[kind] : undefined
    const { registered_name: registered } = entry
    if (!layer || (typeof registered === 'string' && registered !== kind))
      throw refusedError(
        `The layer ${quote(path)} of ${this.#file.name} is of the class ${quote(kind)}, which is not supported.`,
        {
          where: path,
          hint: 'Export the model as ONNX (model.export(FILE, format="onnx")) and grow that.',
        },
      )
    const placed = this.#place(path, kind, entry, layer, group, prefix)
    const { config } = placed
    const tensor = (variable: string): LazyTensor => {
      const found = this.#file.tensors.get(placed.variables.get(variable) ?? '')
      if (!found)
        throw inputError(
          `${this.#file.name} has no variable ${quote(variable)} for the layer ${quote(path)}.`,
          { where: path },
        )
      return found
    }
    return layer.build(
      {
        // The nodes of a later call have names of their own.
        path: node === 0 ? path : `${path}@${node + 1}`,
        kind,
        config,
        call,
        graph: this.#graph,
        tensor,
        weight: (variable, axes) => this.#weight(placed, variable, tensor(variable), axes),
      },
      inputs,
    )
  }

  #place(
    path: string,
    kind: string,
    entry: JsonObject,
    layer: KerasLayer,
    group: Hdf5Group | undefined,
    prefix: string,
  ): PlacedLayer {
    const known = this.#layers.get(path)
    if (known) return known
    const config = isObject(entry.config) ? entry.config : {}
    const names = layer.variables?.(config) ?? []
    const name = nameOf(entry)
    const variables =
      this.#file.format === 'keras'
        ? new Map(names.map((variable, i) => [variable, this.#variablePath(group, name, i)]))
        : new Map(names.map((variable) => [variable, this.#legacyPath(name, variable, prefix)]))
    const placed = { path, kind, config, layer, variables, isTrained: config.trainable !== false }
    this.#layers.set(path, placed)
    return placed
  }

  /** Keras 3 names a layer's folder by its class; the layer's name is an attribute of the folder `vars`. */
  #folderOf(group: Hdf5Group | undefined, name: string): string | undefined {
    const layers = group?.children.get('layers')
    if (layers?.kind !== 'group') return undefined
    for (const [folder, child] of layers.children) {
      const vars = child.kind === 'group' ? child.children.get('vars') : undefined
      if (vars && textOf(vars.attributes.get('name')) === name) return folder
    }
    return undefined
  }

  #groupOf(group: Hdf5Group | undefined, name: string): Hdf5Group | undefined {
    const folder = this.#folderOf(group, name)
    return group && folder
      ? groupAt(group, `layers/${folder}`)
      : group && this.#file.format === 'h5'
        ? group
        : undefined
  }

  #variablePath(group: Hdf5Group | undefined, name: string, index: number): string {
    const folder = this.#folderOf(group, name)
    const vars = group && folder ? groupAt(group, `layers/${folder}/vars`) : undefined
    const dataset = vars?.children.get(`${index}`)
    if (dataset?.kind === 'dataset' && dataset.value.kind === 'numbers')
      for (const [path, tensor] of this.#file.tensors)
        if (tensor === dataset.value.tensor) return path
    throw inputError(`${this.#file.name} has no variable ${index} for the layer ${quote(name)}.`, {
      where: name,
    })
  }

  #legacyPath(name: string, variable: string, prefix: string): string {
    const inner = `${prefix}${name}/${variable}`
    const candidates = [...this.#file.tensors.keys()].filter((path) => {
      const plain = path.replace(/:0$/, '')
      return (
        plain.startsWith('model_weights/') &&
        (plain.endsWith(`/${inner}`) || plain.endsWith(`/${name}/${variable}`))
      )
    })
    const exact = candidates.find((path) => path.replace(/:0$/, '').endsWith(`/${inner}`))
    const found = exact ?? candidates[0]
    if (!found || (!exact && candidates.length > 1))
      throw inputError(
        `${this.#file.name} has no variable ${quote(variable)} for the layer ${quote(name)}.`,
        { where: name },
      )
    return found
  }

  #weight(
    { path, variables }: PlacedLayer,
    variable: string,
    tensor: LazyTensor,
    axes: readonly number[] | undefined,
  ): string {
    const initializer = `${path}/${variable}`
    // A layer that is called twice reads the same weight.
    if (this.#graph.names.has(initializer)) return initializer
    if (tensor.dtype !== 'float32')
      throw refusedError(
        `${quote(initializer)} is of type ${tensor.dtype}; only float32 variables are supported.`,
        { where: path },
      )
    const order = axes ?? tensor.dims.map((_, k) => k)
    this.#bindings.push({
      entry: variables.get(variable)!,
      initializer,
      axes: tensor.dims.map((_, k) => order.indexOf(k)),
    })
    return this.#graph.initializer(initializer, rearranged(tensor, order))
  }
}

const nested = (entry: JsonObject, ...keys: readonly string[]): Json | undefined =>
  keys.reduce<Json | undefined>((value, key) => (isObject(value) ? value[key] : undefined), entry)

const nameOf = (entry: JsonObject): string =>
  String(nested(entry, 'config', 'name') ?? entry.name ?? '')

function sizesOf(value: Json | undefined): (number | null)[] | undefined {
  if (!Array.isArray(value)) return undefined
  // Some versions list the shapes of all inputs.
  const list = value.length === 1 && Array.isArray(value[0]) ? (value[0] as readonly Json[]) : value
  return list.every((size) => size === null || typeof size === 'number')
    ? (list as (number | null)[])
    : undefined
}

/** `[name, node, tensor]`, or a list of such, as keys of values. */
function historiesIn(value: Json | undefined): string[] {
  if (isObject(value)) return Object.values(value).flatMap(historiesIn)
  if (!Array.isArray(value)) return []
  const [name, node] = value as readonly Json[]
  if (typeof name === 'string' && typeof node === 'number') return [`${name}/${node}`]
  return (value as readonly Json[]).flatMap(historiesIn)
}

/** The calls of a layer: the tensors that each takes, and its other arguments. */
function inboundOf(entry: JsonObject): { inputs: readonly string[]; call: JsonObject }[] {
  const nodes = Array.isArray(entry.inbound_nodes) ? (entry.inbound_nodes as readonly Json[]) : []
  return nodes.map((node) => {
    // Keras 2 listed [name, node, tensor, arguments] for each input.
    if (Array.isArray(node))
      return {
        inputs: (node as readonly Json[]).flatMap((item) =>
          Array.isArray(item) ? [`${item[0]}/${item[1]}`] : [],
        ),
        call: {},
      }
    const found: string[] = []
    const collect = (value: Json | undefined): void => {
      if (Array.isArray(value)) for (const item of value as readonly Json[]) collect(item)
      else if (isObject(value)) {
        if (value.class_name === '__keras_tensor__') {
          found.push(...historiesIn(nested(value, 'config', 'keras_history')))
        } else for (const item of Object.values(value)) collect(item)
      }
    }
    const { args, kwargs } = isObject(node) ? node : {}
    collect(args)
    collect(kwargs)
    return { inputs: found, call: isObject(kwargs) ? kwargs : {} }
  })
}
