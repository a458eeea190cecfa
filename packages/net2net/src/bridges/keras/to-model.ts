/** A network of Keras as an ONNX model whose weights are views of the Keras file. */
import { inputError, refusedError } from '../../errors.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import { constantNote, parameterNote } from '../../operators/trainable.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { int64, type LazyTensor } from '../../tensor/tensor.ts'
import type { Binding } from '../bind.ts'
import { rearranged } from '../rearranged.ts'
import { callsOf, isTensor, type KerasTensor, keyOf, type LayerCall, tensorsOf } from './inbound.ts'
import { isObject, type Json, type JsonObject } from './json.ts'
import type { KerasFile } from './keras-file.ts'
import { asInKeras } from './layers/axes.ts'
import { type KerasValue, maskOf } from './layers/contract.ts'
import {
  configOf,
  entriesOf,
  isModel,
  isSequential,
  kindOf,
  nameOf,
  type PlacedLayer,
  placeLayers,
  trainedIn,
  wrappedIn,
} from './place.ts'

/** The input of a model inside the model. */
export interface InnerInput {
  readonly path: string
  readonly value: KerasValue
}

/** Where a value of the ONNX model is one of Keras. */
export interface ValueSite {
  /** The layer that gives it. */
  readonly path: string
  readonly node: number
  readonly tensor: number
  /** Whether the layer's own activation is still to come. */
  readonly beforeActivation: boolean
}

export interface KerasModel {
  readonly model: Model
  /** Which variable of the file is which initializer. */
  readonly bindings: readonly Binding[]
  /** By path, in the order of Keras. */
  readonly layers: ReadonlyMap<string, PlacedLayer>
  readonly innerInputs: readonly InnerInput[]
  /** Values of the ONNX model behind which a layer of Keras can stand. */
  readonly sites: ReadonlyMap<string, ValueSite>
  /** How often each layer, and each model inside the model, is called. */
  readonly calls: ReadonlyMap<string, number>
  /** Initializers whose numbers the config says. */
  readonly constants: ReadonlySet<string>
}

/**
 * Builds the ONNX model that computes what the Keras model computes in inference.
 *
 * @throws Net2NetError (refused) for layers that are not understood, naming them; (input) for a broken file
 */
export function kerasToModel(file: KerasFile): KerasModel {
  return new Conversion(file).run()
}

type Values = readonly KerasValue[]
type NamedValues = readonly (readonly [string, KerasValue])[]

const noCall: AppliedCall = { call: {}, operands: [], named: new Map() }

/** The arguments of a call beside its inputs. */
interface AppliedCall {
  readonly call: JsonObject
  readonly operands: readonly (KerasValue | Json)[]
  readonly named: ReadonlyMap<string, Values>
}

class Conversion {
  readonly #file: KerasFile
  readonly #graph = new GraphBuilder()
  readonly #bindings: Binding[] = []
  readonly #layers: ReadonlyMap<string, PlacedLayer>
  readonly #innerInputs: InnerInput[] = []
  readonly #sites = new Map<string, ValueSite>()
  readonly #calls = new Map<string, number>()
  readonly #constants = new Set<string>()
  readonly #trained = new Set<string>()

  constructor(file: KerasFile) {
    this.#file = file
    mustBeModel(file, file.model)
    this.#layers = placeLayers(file)
  }

  run(): KerasModel {
    const outputs = this.#model(this.#file.model, undefined, '')
    const taken = new Set<string>()
    for (const [name, value] of outputs) {
      const last = asInKeras(this.#graph, value)
      const free = taken.has(name) || this.#graph.names.has(name) ? `${name}_output` : name
      taken.add(name)
      const options = { name: free, outputs: [this.#graph.names.fresh(free)] }
      const output = this.#graph.node('Identity', [last.name], {}, options)
      this.#graph.output(output, 'float32')
    }
    const { name: title } = configOf(this.#file.model)
    const model = noted(
      this.#graph.model(typeof title === 'string' ? title : 'keras'),
      this.#trained,
    )
    return {
      model,
      bindings: this.#bindings,
      layers: this.#layers,
      innerInputs: this.#innerInputs,
      sites: this.#sites,
      calls: this.#calls,
      constants: this.#constants,
    }
  }

  /** Builds a model on its inputs (its own input layers for the outermost), and returns its outputs by layer. */
  #model(entry: JsonObject, inputs: Values | undefined, prefix: string): NamedValues {
    mustBeModel(this.#file, entry)
    return isSequential(entry)
      ? this.#sequential(entry, inputs, prefix)
      : this.#functional(entry, inputs, prefix)
  }

  #sequential(model: JsonObject, inputs: Values | undefined, prefix: string): NamedValues {
    const entries = entriesOf(model)
    let value = inputs?.[0]
    let last = ''
    const [first] = entries
    if (first && kindOf(first) !== 'InputLayer' && !value) {
      const { build_input_shape: built } = configOf(model)
      const shape = sizesOf(built ?? configOf(first).batch_input_shape)
      if (!shape)
        throw refusedError(
          `${this.#file.name} does not say the shape of its input: the model was never built.`,
          {
            where: this.#file.name,
            hint: 'Begin it with keras.Input(…), or call it once before you save it.',
          },
        )
      const { dtype } = configOf(first)
      value = this.#input('input', shape, kindOf(first) === 'Embedding' ? 'int32' : dtype)
    }
    for (const entry of entries) {
      if (kindOf(entry) === 'InputLayer') {
        value = this.#inputLayer(entry, value, prefix)
        continue
      }
      last = nameOf(entry)
      const path = `${prefix}${last}`
      const outputs = this.#apply(entry, path, 0, noCall, value ? [value] : [])
      if (outputs.length !== 1)
        throw refusedError(`The layer ${quote(path)} has ${outputs.length} outputs in a sequence.`)
      value = outputs[0]!
    }
    if (!value || last === '')
      throw inputError(`${this.#file.name}: a model has no layers but inputs.`)
    return [[last, value]]
  }

  #functional(model: JsonObject, inputs: Values | undefined, prefix: string): NamedValues {
    const { input_layers: inputLayers, output_layers: outputLayers } = configOf(model)
    const values = new Map<string, KerasValue>()
    const inputKeys = tensorsOf(inputLayers).map(keyOf)
    const pending: { entry: JsonObject; node: number; call: LayerCall }[] = []
    for (const entry of entriesOf(model))
      if (kindOf(entry) === 'InputLayer') {
        const key = keyOf({ layer: nameOf(entry), node: 0, tensor: 0 })
        values.set(key, this.#inputLayer(entry, inputs?.[inputKeys.indexOf(key)], prefix))
      } else
        for (const [node, call] of callsOf(entry).entries()) pending.push({ entry, node, call })
    const isThere = (tensor: KerasTensor) => values.has(keyOf(tensor))
    const valueAt = (tensor: KerasTensor) => values.get(keyOf(tensor))!
    while (pending.length > 0) {
      const ready = pending.findIndex(
        ({ call }) => call.inputs.every(isThere) && [...call.named.values()].flat().every(isThere),
      )
      if (ready < 0)
        throw inputError(
          `${this.#file.name}: the inputs of ${quote(nameOf(pending[0]!.entry))} are not in the file.`,
        )
      const [{ entry, node, call }] = pending.splice(ready, 1) as [(typeof pending)[number]]
      const named = new Map([...call.named].map(([name, list]) => [name, list.map(valueAt)]))
      const layer = nameOf(entry)
      const path = `${prefix}${layer}`
      const operands = call.operands.map((item) => (isTensor(item) ? valueAt(item) : item))
      const applied = { call: call.call, operands, named }
      const outputs = this.#apply(entry, path, node, applied, call.inputs.map(valueAt))
      for (const [tensor, value] of outputs.entries())
        values.set(keyOf({ layer, node, tensor }), value)
    }
    return tensorsOf(outputLayers).map((tensor) => {
      if (!isThere(tensor))
        throw inputError(
          `${this.#file.name}: its output ${quote(keyOf(tensor))} is not in the file.`,
        )
      return [tensor.layer, valueAt(tensor)]
    })
  }

  #inputLayer(entry: JsonObject, given: KerasValue | undefined, prefix: string): KerasValue {
    const name = nameOf(entry)
    if (given) {
      this.#innerInputs.push({ path: `${prefix}${name}`, value: given })
      return given
    }
    const { batch_shape: shape, batch_input_shape: old, dtype } = configOf(entry)
    const sizes = sizesOf(shape ?? old)
    if (!sizes) throw inputError(`${this.#file.name}: the input ${quote(name)} has no shape.`)
    return this.#input(name, sizes, dtype)
  }

  #input(name: string, shape: readonly (number | null)[], dtype: Json | undefined): KerasValue {
    const type = typeof dtype === 'string' ? dtype : 'float32'
    if (!isInputType(type))
      throw refusedError(
        `${this.#file.name}: the input ${quote(name)} has the type ${type}, which is not supported.`,
      )
    const dims = shape.map((size, k): Dim => (k === 0 ? 'batch' : (size ?? `${name}_${k}`)))
    return { name: this.#graph.input(name, type, dims), rank: dims.length, channelsFirst: false }
  }

  /** One call of a layer, or of a model inside the model. */
  #apply(
    entry: JsonObject,
    path: string,
    node: number,
    { call, operands, named }: AppliedCall,
    given: Values,
  ): Values {
    const masks = named.get('mask') ?? []
    const inputs = given.map((input, i) =>
      masks[i] ? { ...input, mask: maskOf(masks[i].name) } : input,
    )
    if (inputs.length + named.size === 0)
      throw inputError(`${this.#file.name}: the layer ${quote(path)} has no input.`, {
        where: path,
      })
    const count = this.#calls.get(path) ?? 0
    this.#calls.set(path, count + 1)
    if (isModel(entry)) {
      const all = [...inputs, ...[...named.values()].flat()]
      return this.#model(entry, all, `${path}/`).map(([, value]) => value)
    }
    const inner = wrappedIn(entry)
    if (inner) return this.#eachStep(inner, `${path}/${nameOf(inner)}`, inputs[0]!)
    const placed = this.#layers.get(path)!
    const { kind, config, layer } = placed
    const tensor = (variable: string): LazyTensor => {
      const found = this.#file.tensors.get(placed.variables.get(variable) ?? '')
      if (!found)
        throw inputError(
          `${this.#file.name} has no variable ${quote(variable)} for the layer ${quote(path)}.`,
          { where: path },
        )
      return found
    }
    const site = { path, node, tensor: 0, beforeActivation: false }
    const built = layer.build(
      {
        // The nodes of a later call have names of their own.
        path: count === 0 ? path : `${path}@${count + 1}`,
        kind,
        config,
        call,
        operands,
        named,
        graph: this.#graph,
        tensor,
        constant: (name, value) => this.#constant(`${path}/${name}`, value),
        weight: (variable, axes) => this.#weight(placed, variable, tensor(variable), axes),
        beforeActivation: (value) => this.#site(value, { ...site, beforeActivation: true }),
      },
      inputs,
    )
    const outputs: Values = 'name' in built ? [built] : built
    outputs.forEach(({ name }, k) => {
      this.#site(name, { ...site, tensor: k })
    })
    if (layer.mask === 'own') return outputs
    const mask = layer.mask === 'kept' ? inputs[0]?.mask : undefined
    return outputs.map((output) => ({ ...output, mask }))
  }

  /** Layers that pass a value on leave it to the one that made it. */
  #site(value: string, site: ValueSite): void {
    if (!this.#sites.has(value)) this.#sites.set(value, site)
  }

  /** A layer on each step: batch and steps count as one axis. */
  #eachStep(entry: JsonObject, path: string, input: KerasValue): Values {
    const graph = this.#graph
    const value = asInKeras(graph, input)
    const part = (name: string, start: number, end?: number) =>
      graph.node('Shape', [name], { start, ...(end !== undefined && { end }) })
    const joined = (...parts: readonly string[]) => graph.node('Concat', parts, { axis: 0 })
    const all = graph.constant(int64([-1]), 'all')
    const flat = graph.node('Reshape', [value.name, joined(all, part(value.name, 2))])
    const step = { name: flat, rank: value.rank - 1, channelsFirst: false }
    const outputs = this.#apply(entry, path, 0, noCall, [step])
    return outputs.map((output) => {
      const last = asInKeras(graph, output)
      const shape = joined(part(value.name, 0, 2), part(last.name, 1))
      const name = graph.node('Reshape', [last.name, shape])
      return { name, rank: last.rank + 1, channelsFirst: false, mask: input.mask }
    })
  }

  #constant(name: string, tensor: LazyTensor): string {
    // A layer that is called twice reads the same constant.
    if (this.#constants.has(name)) return name
    this.#constants.add(name)
    return this.#graph.initializer(name, tensor)
  }

  #weight(
    placed: PlacedLayer,
    variable: string,
    tensor: LazyTensor,
    axes: readonly (number | undefined)[] | undefined,
  ): string {
    const { path, variables } = placed
    const initializer = `${path}/${variable}`
    // A layer that is called twice reads the same weight.
    if (this.#graph.names.has(initializer)) return initializer
    if (tensor.dtype !== 'float32')
      throw refusedError(
        `${quote(initializer)} is of type ${tensor.dtype}; only float32 variables are supported.`,
        {
          where: path,
          hint: 'Save the model with its variables in float32: the policies "float32" and "mixed_float16" keep them so.',
        },
      )
    const order = axes ?? tensor.dims.map((_, k) => k)
    if (trainedIn(placed).includes(variable)) this.#trained.add(initializer)
    this.#bindings.push({
      entry: variables.get(variable)!,
      initializer,
      axes: tensor.dims.map((_, k) => order.indexOf(k)),
    })
    return this.#graph.initializer(initializer, rearranged(tensor, order))
  }
}

/** Keras says which variables are trained; settings, statistics and what the operators of ONNX need beside are not. */
function noted(model: Model, trained: ReadonlySet<string>): Model {
  const { graph } = model
  const initializers = new Map(
    [...graph.initializers].map(([name, initializer]) => {
      const metadata = trained.has(name) ? parameterNote : constantNote
      return [name, isFloat(initializer.tensor.dtype) ? { ...initializer, metadata } : initializer]
    }),
  )
  return { ...model, graph: { ...graph, initializers } }
}

function mustBeModel(file: KerasFile, entry: JsonObject): void {
  if (!isObject(entry.config) || !isModel(entry))
    throw refusedError(
      `${file.name} holds a model of the class ${quote(kindOf(entry))}; only Sequential and Functional models say in the file what they compute.`,
      {
        where: file.name,
        hint: 'Export it as ONNX (model.export(FILE, format="onnx")) and grow that.',
      },
    )
  if (entriesOf(entry).length === 0)
    throw inputError(`${file.name}: the model ${quote(nameOf(entry))} has no layers.`)
}

const inputTypes = ['float32', 'int32', 'int64', 'uint8', 'bool'] as const
const isInputType = (type: string): type is (typeof inputTypes)[number] =>
  inputTypes.some((each) => each === type)

function sizesOf(value: Json | undefined): readonly (number | null)[] | undefined {
  if (!Array.isArray(value)) return undefined
  // Some versions list the shapes of all inputs.
  const list: readonly Json[] = value.length === 1 && Array.isArray(value[0]) ? value[0] : value
  const sizes = list.filter((size) => size === null || typeof size === 'number')
  return sizes.length === list.length ? sizes : undefined
}
