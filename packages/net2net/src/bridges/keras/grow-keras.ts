/**
 * A growth plan, made on the ONNX model of a Keras network, applied to the Keras file: its variables, the state of its
 * optimizer, and the config that must say the new sizes.
 */
import { inputError, refusedError } from '../../errors.ts'
import { applyPlan } from '../../growth/apply/apply.ts'
import type { SlotPower } from '../../growth/apply/grow-slots.ts'
import type { GrowthPlan } from '../../growth/growth-plan.ts'
import type { Model } from '../../model/model.ts'
import { quote } from '../../model/quote.ts'
import { inferModel } from '../../operators/inference.ts'
import { type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import { growEntries, growEntrySlots } from '../grow-entries.ts'
import {
  isObject,
  type Json,
  type JsonObject,
  type KerasChanges,
  type KerasFile,
  listedWeights,
} from './keras-file.ts'
import type { KerasModel, PlacedLayer } from './to-model.ts'

/**
 * What the file holds after growth.
 *
 * @throws Net2NetError (refused) where the plan inserts layers, or splits a variable that layers share; where the
 *   optimizer keeps state whose growth is unknown
 */
export function growKeras(file: KerasFile, network: KerasModel, plan: GrowthPlan): KerasChanges {
  const [inserted] = plan.inserted
  if (inserted)
    throw refusedError(
      `${quote(inserted.name)} would be a new layer of ${file.name}; files of Keras are only widened.`,
      { where: inserted.name, hint: 'Write an ONNX file instead (-o FILE.onnx).' },
    )
  const { model } = network
  const bindings = { bound: network.bindings, folded: [] }
  const options = { file: file.name }
  const entries = new Map(
    network.bindings.map(({ entry }) => [entry, file.tensors.get(entry)!] as const),
  )
  const tensors = new Map(growEntries(model, plan, bindings, entries, options))
  for (const { power, slots } of optimizerSlots(file, network)) {
    const byEntry = new Map([...slots].map(([entry, path]) => [entry, file.tensors.get(path)!]))
    const grown = growEntrySlots(model, plan, bindings, entries, byEntry, power, options)
    for (const [entry, path] of slots) tensors.set(path, grown.get(entry)!)
  }
  return { tensors, model: grownConfig(file, network, applyPlan(model, plan), tensors) }
}

// The config -------------------------------------------------------------------------------------

/** The config with the new sizes, and without the shapes with which layers were built. */
function grownConfig(
  file: KerasFile,
  network: KerasModel,
  grown: Model,
  tensors: ReadonlyMap<string, LazyTensor>,
): JsonObject {
  const byPath = new Map(network.layers.map((layer) => [layer.path, layer]))
  const values = inferModel(grown)
  const innerShape = new Map(
    network.innerInputs.map(({ path, value }) => {
      const dims = values.get(value.name)?.shape ?? []
      const order = value.channelsFirst
        ? [0, ...dims.slice(2).keys()].map((k, i) => (i === 0 ? 0 : k + 2))
        : dims.map((_, k) => k)
      const last = value.channelsFirst ? [...order, 1] : order
      return [path, last.map((k) => dims[k])]
    }),
  )
  const change = (entry: JsonObject, prefix: string): JsonObject => {
    const { build_config: _, ...rest } = entry
    const config = isObject(rest.config) ? rest.config : {}
    if (Array.isArray(config.layers))
      return {
        ...rest,
        config: {
          ...withoutBuildShape(config),
          layers: config.layers.map((layer: Json) =>
            isObject(layer) ? change(layer, pathOf(layer, prefix)) : layer,
          ),
        },
      }
    const path = `${prefix}${String(config.name)}`
    if (entry.class_name === 'InputLayer') {
      const outer =
        prefix === '' ? grown.graph.inputs.find(({ name }) => name === config.name) : undefined
      const shape =
        innerShape.get(path) ?? (outer?.type.kind === 'tensor' ? outer.type.shape : undefined)
      const key = 'batch_shape' in config ? 'batch_shape' : 'batch_input_shape'
      const old = config[key]
      if (!shape || !Array.isArray(old)) return { ...rest, config }
      const sizes = old.map((size: Json, k) =>
        typeof size === 'number' ? numberOr(shape[k], size) : size,
      )
      return { ...rest, config: { ...config, [key]: sizes } }
    }
    const placed = byPath.get(path)
    return placed
      ? { ...rest, config: { ...config, ...sizesOf(placed, file, tensors, grown) } }
      : { ...rest, config }
  }
  return change(file.model, '')
}

/** The prefix under which the layers of an entry lie: its own name for models inside the model. */
function pathOf(entry: JsonObject, prefix: string): string {
  const config = isObject(entry.config) ? entry.config : {}
  return Array.isArray(config.layers) ? `${prefix}${String(config.name)}/` : prefix
}

const withoutBuildShape = ({ build_input_shape: _, ...config }: JsonObject): JsonObject => config

const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise

function sizesOf(
  { layer, variables, config, path }: PlacedLayer,
  file: KerasFile,
  tensors: ReadonlyMap<string, LazyTensor>,
  grown: Model,
): JsonObject {
  const dims = (variable: string) => {
    const place = variables.get(variable) ?? ''
    return (tensors.get(place) ?? file.tensors.get(place))!.dims
  }
  // A Reshape says sizes itself.
  const shape = grown.graph.initializers.get(`${path}/target_shape`)?.tensor
  return {
    ...layer.sizes?.(dims, config),
    ...(shape && { target_shape: toNumbers(shape).slice(1) }),
  }
}

// The optimizer ----------------------------------------------------------------------------------

interface SlotKind {
  readonly power: SlotPower
  /** Paths in the file by the variable that they belong to. */
  readonly slots: Map<string, string>
}

/** For each optimizer, its groups of slots: within one the slots of a variable stand side by side. */
const optimizers: Readonly<
  Record<string, (config: JsonObject) => readonly (readonly SlotPower[])[]>
> = {
  SGD: ({ momentum }) => (momentum ? [[1]] : []),
  Adam: ({ amsgrad }) => [[1, 2], ...(amsgrad ? [[2] as const] : [])],
  AdamW: ({ amsgrad }) => [[1, 2], ...(amsgrad ? [[2] as const] : [])],
  Nadam: () => [[1, 2]],
  Adamax: () => [[1, 1]],
  Adagrad: () => [[2]],
  // The second is of the steps, whose size does not depend on that of the gradient.
  Adadelta: () => [[2, 0]],
  RMSprop: ({ momentum, centered }) => [
    [2],
    ...(momentum ? [[1] as const] : []),
    ...(centered ? [[1] as const] : []),
  ],
  Lion: () => [[1]],
}

function optimizerSlots(file: KerasFile, network: KerasModel): readonly SlotKind[] {
  const paths = optimizerPaths(file)
  const optimizer = file.compiled?.optimizer
  if (paths.length === 0 || !isObject(optimizer)) return []
  const kind = String(optimizer.class_name)
  const config = isObject(optimizer.config) ? optimizer.config : {}
  const groupsOf = Object.hasOwn(optimizers, kind) ? optimizers[kind] : undefined
  const refuse = (what: string) =>
    refusedError(
      `The state of the optimizer ${quote(kind)} in ${file.name} cannot be grown: ${what}.`,
      {
        where: file.name,
        hint: 'Save the model without it: model.save(FILE, include_optimizer=False).',
      },
    )
  if (!groupsOf) throw refuse('its slots are not known')
  if (config.use_ema === true) throw refuse('it averages weights (use_ema)')
  if (config.gradient_accumulation_steps) throw refuse('it accumulates gradients')
  // Variables without a shape (the step, the rate, Nadam's products) stand before and behind the slots.
  const slots = paths.filter((path) => file.tensors.get(path)!.dims.length > 0)
  if (slots.length === 0) return []
  const trained = network.layers.flatMap(({ variables, layer, isTrained }) =>
    isTrained
      ? [...variables]
          .filter(([name]) => layer.trained?.includes(name) ?? true)
          .map(([, path]) => path)
      : [],
  )
  const groups = groupsOf(config)
  const expected = groups.reduce((sum, group) => sum + group.length * trained.length, 0)
  if (slots.length !== expected)
    throw refuse(`it has ${slots.length} slots, and ${trained.length} variables need ${expected}`)
  const kinds: SlotKind[] = []
  let at = 0
  for (const group of groups) {
    const own = group.map((power): SlotKind => ({ power, slots: new Map() }))
    for (const variable of trained)
      for (const each of own) {
        const path = slots[at++]!
        const [slot, dims] = [path, variable].map((name) => file.tensors.get(name)!.dims.join())
        if (slot !== dims)
          throw refuse(
            `its slot ${quote(path)} has the shape [${slot}] where [${dims}] was expected`,
          )
        each.slots.set(variable, path)
      }
    kinds.push(...own)
  }
  return kinds
}

/** The optimizer's variables in its own order. */
function optimizerPaths(file: KerasFile): readonly string[] {
  if (file.format === 'keras') {
    const found: string[] = []
    for (let i = 0; file.tensors.has(`optimizer/vars/${i}`); i++) found.push(`optimizer/vars/${i}`)
    return found
  }
  const group = file.weights.children.get('optimizer_weights')
  if (group?.kind !== 'group') return []
  const names = listedWeights(group).map((name) => `optimizer_weights/${name}`)
  const missing = names.find((name) => !file.tensors.has(name))
  if (missing !== undefined)
    throw inputError(`${file.name} lists ${quote(missing)} and does not hold it.`, {
      where: file.name,
    })
  return names
}
