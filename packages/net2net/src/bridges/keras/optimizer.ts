/**
 * The state of Keras' optimizers: which of their variables belongs to which variable of the network, how it grows, and
 * what it is for a new one.
 *
 * @see https://keras.io/api/optimizers/
 */
import { inputError, refusedError } from '../../errors.ts'
import type { SlotPower } from '../../growth/apply/merge-tensor.ts'
import { quote } from '../../model/quote.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { isObject, type JsonObject } from './json.ts'
import { groupAt, type KerasFile, listedWeights } from './keras-file.ts'
import { configOf, kindOf, type PlacedLayer, trainedIn } from './place.ts'

/** A variable of the network: its layer and its name there. */
export interface NetworkVariable {
  readonly key: string
  readonly path: string
  readonly variable: string
  readonly tensor: LazyTensor
}

export interface Slot {
  readonly name: string
  /** The power of the gradient that it scales with, or `weight` for what holds weights. */
  readonly power: SlotPower | 'weight'
  /** What it is for a new variable; slots of weights begin as these. */
  readonly initial: number
}

/** A variable of the optimizer: a counter or a rate, or the slot of a variable of the network. */
export interface OptimizerVariable {
  readonly tensor: LazyTensor
  readonly slot?: Slot
  /** Key of the variable that it belongs to. */
  readonly of?: string
}

/** The variables of one optimizer in its order. */
export interface OptimizerState {
  /** The group that holds them. */
  readonly folder: string
  readonly variables: readonly OptimizerVariable[]
  /** The same for other variables of the network; what it does not have yet begins anew. */
  readonly arrange: (variables: readonly NetworkVariable[]) => readonly SlotPlace[]
}

/** A place in an optimizer's order; without a slot it is a counter. */
export interface SlotPlace {
  readonly slot?: Slot
  readonly of?: string
}

/** The order of the slots behind the counters that every optimizer has. */
type Arrange = (config: JsonObject, variables: readonly NetworkVariable[]) => SlotPlace[]

const slot = (name: string, power: Slot['power'], initial = 0): Slot => ({ name, power, initial })

/** For each variable all of these slots, side by side. */
const beside = (variables: readonly NetworkVariable[], ...slots: readonly Slot[]): SlotPlace[] =>
  variables.flatMap(({ key }) => slots.map((each) => ({ slot: each, of: key })))

const momentum = slot('momentum', 1)
const velocity = slot('velocity', 2)
const adam: Arrange = ({ amsgrad }, variables) => [
  ...beside(variables, momentum, velocity),
  ...(amsgrad === true ? beside(variables, slot('velocity_hat', 2)) : []),
]
const initialOf = ({ initial_accumulator_value: value }: JsonObject): number =>
  typeof value === 'number' ? value : 0.1

/** As each optimizer's `build` adds its variables. */
const optimizers: Readonly<Record<string, Arrange>> = {
  SGD: (config, variables) => (isOn(config.momentum) ? beside(variables, momentum) : []),
  Adam: adam,
  AdamW: adam,
  // A product of its rates comes last.
  Nadam: (_, variables) => [...beside(variables, momentum, velocity), {}],
  Lamb: (_, variables) => beside(variables, momentum, velocity),
  Adamax: (_, variables) => beside(variables, momentum, slot('norm', 1)),
  Adagrad: (config, variables) => beside(variables, slot('accumulator', 2, initialOf(config))),
  // The second is of the steps, whose size does not depend on that of the gradient.
  Adadelta: (_, variables) =>
    beside(variables, slot('accumulated_grad', 2), slot('accumulated_delta_var', 0)),
  RMSprop: (config, variables) => [
    ...beside(variables, velocity),
    ...(isOn(config.momentum) ? beside(variables, momentum) : []),
    ...(config.centered === true ? beside(variables, slot('average_gradient', 1)) : []),
  ],
  Lion: (_, variables) => beside(variables, momentum),
  // Matrices are moved by an orthogonal step, the others and embeddings as by AdamW.
  Muon: ({ exclude_embeddings: excluded }, variables) =>
    variables.flatMap((each) => {
      const isMatrix = each.tensor.dims.length === 2
      const isExcluded = excluded !== false && /embedding/i.test(`${each.path}/${each.variable}`)
      return beside([each], momentum, ...(isMatrix && !isExcluded ? [] : [velocity]))
    }),
  // The first is the point from which the average moves on: a set of weights.
  ScheduleFreeAdamW: (_, variables) => beside(variables, slot('momentum', 'weight'), velocity),
}

/** Why the state of an optimizer of Keras does not grow. */
const refused: Readonly<Record<string, string>> = {
  Adafactor:
    'it keeps sums over the rows and columns of the squares, which do not say how each grows',
  Ftrl: 'it computes weights anew from sums of gradients and of weights',
  MultiOptimizer: 'it divides the variables among several optimizers',
}

const isOn = (value: unknown): boolean => typeof value === 'number' && value > 0

/** The variables that training changes, in Keras' order. */
export const trainedVariables = (
  file: KerasFile,
  layers: ReadonlyMap<string, PlacedLayer>,
): readonly NetworkVariable[] =>
  [...layers.values()].flatMap((layer) =>
    trainedIn(layer).map((variable) => ({
      key: keyOf(layer.path, variable),
      path: layer.path,
      variable,
      tensor: file.tensors.get(layer.variables.get(variable)!)!,
    })),
  )

/** What a variable is called whatever the place that it has in a file. */
export const keyOf = (path: string, variable: string): string => `${path} ${variable}`

/**
 * The state of the optimizer in a file; where losses are scaled Keras keeps that of the optimizer inside twice.
 *
 * @throws Net2NetError (refused) where it is not known which variable is which, or how one grows
 */
export function optimizerStates(
  file: KerasFile,
  layers: ReadonlyMap<string, PlacedLayer>,
): readonly OptimizerState[] {
  const optimizer = file.compiled?.optimizer
  if (!isObject(optimizer)) return []
  const isScaled = kindOf(optimizer) === 'LossScaleOptimizer'
  const { inner_optimizer: inside } = configOf(optimizer)
  const inner = isScaled && isObject(inside) ? inside : optimizer
  const trained = trainedVariables(file, layers)
  return foldersOf(file).flatMap(({ folder, paths }) => {
    const state = stateOf(file, folder, paths, inner, trained)
    return state ? [state] : []
  })
}

function stateOf(
  file: KerasFile,
  folder: string,
  paths: readonly string[],
  optimizer: JsonObject,
  trained: readonly NetworkVariable[],
): OptimizerState | undefined {
  const tensors = paths.map((path) => file.tensors.get(path)!)
  const isCounter = ({ dims }: LazyTensor) => dims.length === 0
  // An optimizer that has made no step keeps its counters only.
  if (tensors.every(isCounter)) return undefined
  const kind = kindOf(optimizer)
  const config = configOf(optimizer)
  const refuse = (what: string) =>
    refusedError(
      `The state of the optimizer ${quote(kind)} in ${file.name} cannot be grown: ${what}.`,
      {
        where: file.name,
        hint: 'Save the model without it: model.save(FILE, include_optimizer=False).',
      },
    )
  const own = Object.hasOwn(optimizers, kind) ? optimizers[kind] : undefined
  if (!own) throw refuse(refused[kind] ?? 'its slots are not known')
  if (kind === 'Muon' && Array.isArray(config.exclude_layers) && config.exclude_layers.length > 0)
    throw refuse('exclude_layers is set')
  const slotsOf = (variables: readonly NetworkVariable[]): SlotPlace[] => [
    ...(config.use_ema === true ? beside(variables, slot('average', 'weight')) : []),
    ...(isOn(config.gradient_accumulation_steps)
      ? beside(variables, slot('gradient_accumulator', 1))
      : []),
    ...own(config, variables),
  ]
  const places = slotsOf(trained)
  const counters = tensors.length - places.length
  if (counters < 1 || !tensors.slice(0, counters).every(isCounter))
    throw refuse(
      `it has ${tensors.filter((tensor) => !isCounter(tensor)).length} slots, and ${trained.length} variables need ${places.filter((place) => place.of !== undefined).length}`,
    )
  const arrange: OptimizerState['arrange'] = (variables) => [
    ...Array.from({ length: counters }, (): SlotPlace => ({})),
    ...slotsOf(variables),
  ]
  const dimsOf = new Map(trained.map(({ key, tensor }) => [key, tensor.dims.join()]))
  const variables = arrange(trained).map((place, i): OptimizerVariable => {
    const tensor = tensors[i]!
    const expected = place.of === undefined ? '' : dimsOf.get(place.of)
    if (tensor.dims.join() !== expected)
      throw refuse(
        `its slot ${quote(paths[i]!)} has the shape [${tensor.dims}] where [${expected}] was expected`,
      )
    return { ...place, tensor }
  })
  return { folder, variables, arrange }
}

interface Folder {
  readonly folder: string
  /** The variables in it, in the optimizer's order. */
  readonly paths: readonly string[]
}

function foldersOf(file: KerasFile): readonly Folder[] {
  if (file.format === 'keras')
    return ['optimizer/vars', 'optimizer/inner_optimizer/vars'].flatMap((folder) => {
      const count = groupAt(file.weights, folder)?.children.size ?? 0
      const paths = Array.from({ length: count }, (_, i) => `${folder}/${i}`)
      return paths.length > 0 && paths.every((path) => file.tensors.has(path))
        ? [{ folder, paths }]
        : []
    })
  const folder = 'optimizer_weights'
  const group = groupAt(file.weights, folder)
  if (!group) return []
  const paths = listedWeights(group).map((name) => `${folder}/${name}`)
  const missing = paths.find((name) => !file.tensors.has(name))
  if (missing !== undefined)
    throw inputError(`${file.name} lists ${quote(missing)} and does not hold it.`, {
      where: file.name,
    })
  return paths.length > 0 ? [{ folder, paths }] : []
}
