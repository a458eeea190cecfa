/**
 * Recurrent layers as ONNX's LSTM, GRU and RNN.
 *
 * Keras keeps the kernel as [features, gates · units], the recurrent kernel as [units, gates · units], and orders the
 * gates of an LSTM as i, f, c, o, where ONNX has i, o, f, c. Both order those of a GRU as z, r, h.
 *
 * Steps that a mask leaves out do not happen: the others are moved together, by a product with a matrix of zeros and
 * ones that no weight is in, and the outputs are moved back.
 *
 * @see https://keras.io/api/layers/recurrent_layers/
 */

import { floats } from '../../../model/attributes.ts'
import { quote } from '../../../model/quote.ts'
import { int64 } from '../../../tensor/tensor.ts'
import { asText, isObject, type Json, type JsonObject } from '../json.ts'
import { activationName } from './activate.ts'
import { asInKeras } from './axes.ts'
import { has, mustHaveRank, refuse } from './config.ts'
import type { KerasLayer, KerasLayers, KerasValue, LayerContext } from './contract.ts'

interface Cell {
  readonly opType: 'LSTM' | 'GRU' | 'RNN'
  readonly gates: number
  /** For each gate of ONNX its place in Keras, where they differ. */
  readonly order?: readonly number[]
  /** Keys of its activations in the config, in ONNX's order. */
  readonly activations: readonly string[]
  /** States beside the output. */
  readonly states: number
  /** A reset gate, before or after the product with the recurrent kernel. */
  readonly resets?: true
}

const cells: Readonly<Record<string, Cell>> = {
  LSTM: {
    opType: 'LSTM',
    gates: 4,
    order: [0, 3, 1, 2],
    activations: ['recurrent_activation', 'activation', 'activation'],
    states: 2,
  },
  GRU: {
    opType: 'GRU',
    gates: 3,
    activations: ['recurrent_activation', 'activation'],
    states: 1,
    resets: true,
  },
  SimpleRNN: { opType: 'RNN', gates: 1, activations: ['activation'], states: 1 },
}

/** ONNX's names of activations, with alpha and beta where they have any. */
const activations: Readonly<Record<string, readonly [string, number?, number?]>> = {
  sigmoid: ['Sigmoid'],
  tanh: ['Tanh'],
  relu: ['Relu'],
  linear: ['Affine', 1, 0],
  hard_sigmoid: ['HardSigmoid', 1 / 6, 0.5],
  elu: ['Elu', 1],
  softsign: ['Softsign'],
  softplus: ['Softplus'],
}

function activationsOf(context: LayerContext, { activations: keys }: Cell, config: JsonObject) {
  const found = keys.map((key) => {
    const otherwise = key === 'activation' ? 'tanh' : 'sigmoid'
    const name = activationName(config[key] === undefined ? otherwise : (config[key] ?? 'linear'))
    const known = Object.hasOwn(activations, name) ? activations[name] : undefined
    if (!known) throw refuse(context, `the activation ${quote(name)}`)
    return known
  })
  const numbers = (k: 1 | 2) => found.flatMap((each) => (each[k] === undefined ? [] : [each[k]]))
  const [alpha, beta] = [numbers(1), numbers(2)]
  return {
    activations: { type: 'strings' as const, value: found.map(([name]) => name) },
    ...(alpha.length > 0 && { activation_alpha: floats(alpha) }),
    ...(beta.length > 0 && { activation_beta: floats(beta) }),
  }
}

interface Direction {
  readonly context: LayerContext
  readonly cell: Cell
  readonly config: JsonObject
  /** Before the names of the variables. */
  readonly folder: string
  readonly node: string
}

/** A variable [1, gates · units, …] with its gates in ONNX's order. */
function gatesOf(
  { context, cell }: Direction,
  variable: string,
  axes: readonly (number | undefined)[],
) {
  const { graph } = context
  const weight = context.weight(variable, axes)
  if (!cell.order) return weight
  const parts = graph.nodeOutputs(
    'Split',
    [weight],
    { axis: 1, num_outputs: cell.gates },
    { outputs: cell.gates },
  )
  const inOrder = cell.order.map((gate) => parts[gate]!)
  return graph.node('Concat', inOrder, { axis: 1 })
}

/** Biases of the inputs and of the recurrence, which only a GRU of `reset_after` has apart. */
function biasOf(direction: Direction): string {
  const { context, config, folder } = direction
  const { graph } = context
  if (!has(config, 'use_bias')) return ''
  const variable = `${folder}bias`
  const { dims } = context.tensor(variable)
  if (dims.length === 2)
    return graph.node('Reshape', [
      context.weight(variable),
      graph.constant(int64([1, -1]), 'shape'),
    ])
  const bias = gatesOf(direction, variable, [undefined, 0])
  return graph.node('Concat', [bias, graph.node('Sub', [bias, bias])], { axis: 1 })
}

interface Sequence {
  /** [steps, batch, features] */
  readonly name: string
  /** Where a mask leaves steps out. */
  readonly masked?: Masked
}

interface Masked {
  readonly lengths: string
  /** [batch, steps, steps]: of each step, where its output lies among those of the steps that count. */
  readonly back: string
}

/** The steps that count, moved together to the beginning. */
function sequenceOf(
  { graph }: LayerContext,
  input: KerasValue,
  isReversed: boolean,
  zeroOutput: boolean,
): Sequence {
  const stepsFirst = (name: string) => graph.node('Transpose', [name], { perm: [1, 0, 2] })
  if (input.mask === undefined) return { name: stepsFirst(input.name) }
  const axis = (value: number) => graph.constant(int64([value]), 'axis')
  const unsqueezed = (name: string, at: number) => graph.node('Unsqueeze', [name, axis(at)])
  const mask = input.mask()
  const counts = graph.node('Cast', [mask], { to: 7 })
  const along = graph.node('Squeeze', [axis(1)])
  const before = graph.node('CumSum', [counts, along], { exclusive: 1 })
  const one = axis(1)
  const steps = graph.node('Range', [
    graph.node('Squeeze', [axis(0)]),
    graph.node('Squeeze', [graph.node('Shape', [input.name], { start: 1, end: 2 })]),
    graph.node('Squeeze', [one]),
  ])
  const asFloat = (name: string) => graph.node('Cast', [name], { to: 1 })
  // [batch, steps that count, steps]: whether a step that counts has so many before it.
  const isPlace = graph.node('Equal', [unsqueezed(before, 1), unsqueezed(steps, 1)])
  const together = asFloat(graph.node('And', [isPlace, unsqueezed(mask, 1)]))
  // A step that does not count repeats the output of the last one that did, as the layer went.
  const last = isReversed ? before : graph.node('Sub', [graph.node('Add', [before, counts]), one])
  const isLast = graph.node('Equal', [unsqueezed(last, 2), steps])
  const back = zeroOutput ? graph.node('And', [isLast, unsqueezed(mask, 2)]) : isLast
  const sum = graph.node('ReduceSum', [counts, axis(1)], { keepdims: 0 })
  const name = stepsFirst(graph.node('MatMul', [together, input.name]))
  return { name, masked: { lengths: graph.node('Cast', [sum], { to: 6 }), back: asFloat(back) } }
}

/** The outputs of one direction: of all steps [batch, steps, units], as they lie in time, and the last states. */
function run(direction: Direction, input: KerasValue, states: readonly KerasValue[]) {
  const { context, cell, config, folder, node } = direction
  const { graph } = context
  if (config.stateful === true) throw refuse(context, 'a state that lasts from batch to batch')
  const isReversed = config.go_backwards === true
  const zeroOutput = config.zero_output_for_mask === true
  const { name, masked } = sequenceOf(context, input, isReversed, zeroOutput)
  const axis = (value: number) => graph.constant(int64([value]), 'axis')
  const initial = states.map((state) => graph.node('Unsqueeze', [state.name, axis(0)]))
  const inputs = [
    name,
    gatesOf(direction, `${folder}kernel`, [undefined, 1, 0]),
    gatesOf(direction, `${folder}recurrent_kernel`, [undefined, 1, 0]),
    biasOf(direction),
    masked?.lengths ?? '',
    ...initial,
  ]
  while (inputs.at(-1) === '') inputs.pop()
  const [all, ...last] = graph.nodeOutputs(
    cell.opType,
    inputs,
    {
      hidden_size: context.tensor(`${folder}recurrent_kernel`).dims[0]!,
      direction: isReversed ? 'reverse' : 'forward',
      ...activationsOf(context, cell, config),
      ...(cell.resets && { linear_before_reset: has(config, 'reset_after') ? 1 : 0 }),
    },
    { name: node, outputs: 1 + cell.states },
  ) as [string, ...string[]]
  const squeezed = graph.node('Squeeze', [all, axis(1)])
  const inTime = graph.node('Transpose', [squeezed], { perm: [1, 0, 2] })
  return {
    outputs: masked ? graph.node('MatMul', [masked.back, inTime]) : inTime,
    states: last.map((each) => graph.node('Squeeze', [each, axis(0)])),
  }
}

/** Turns the steps around. */
const reversed = ({ graph }: LayerContext, name: string): string => {
  const [start, end, axis, step] = [-1, Number.MIN_SAFE_INTEGER, 1, -1].map((value) =>
    graph.constant(int64([value]), 'slice'),
  ) as [string, string, string, string]
  return graph.node('Slice', [name, start, end, axis, step])
}

const vector = (name: string): KerasValue => ({ name, rank: 2, channelsFirst: false })

/** The initial states of a call, given by name or behind the sequence. */
const statesOf = ({ named }: LayerContext, others: readonly KerasValue[]): readonly KerasValue[] =>
  named.get('initial_state') ?? others

/** The variables of a recurrent layer lie in its cell. */
const variablesOf = (config: JsonObject, folder = ''): string[] =>
  ['kernel', 'recurrent_kernel', ...(has(config, 'use_bias') ? ['bias'] : [])].map(
    (name) => `${folder}cell/${name}`,
  )

const recurrent = (kind: string): KerasLayer => ({
  mask: 'own',
  variables: (config) => variablesOf(config),
  sizes: (of) => ({ units: of('cell/recurrent_kernel')[0]! }),
  build(context, [input, ...others]) {
    const { config, graph, path } = context
    const value = asInKeras(graph, mustHaveRank(context, input, 3))
    const cell = cells[kind]!
    const direction = { context, cell, config, folder: 'cell/', node: path }
    const { outputs, states } = run(direction, value, statesOf(context, others))
    const isSequence = config.return_sequences === true
    const sequence = config.go_backwards === true ? reversed(context, outputs) : outputs
    const output: KerasValue = isSequence
      ? { name: sequence, rank: 3, channelsFirst: false, mask: value.mask }
      : vector(states[0]!)
    if (!isSequence && value.mask !== undefined && config.zero_output_for_mask === true)
      throw refuse(context, 'zero_output_for_mask for its last output')
    return config.return_state === true ? [output, ...states.map(vector)] : output
  },
})

/** One layer along the steps and one against them. */
const bidirectional: KerasLayer = {
  mask: 'own',
  variables(config) {
    const { forward, backward } = directionsOf(config)
    return [
      ...variablesOf(configOf(forward), 'forward_layer/'),
      ...variablesOf(configOf(backward), 'backward_layer/'),
    ]
  },
  sizes(of, config) {
    const { forward, backward } = directionsOf(config)
    const widened = (layer: JsonObject, name: string): JsonObject => {
      const { build_config: _, ...rest } = layer
      const units = of(`${name}/cell/recurrent_kernel`)[0]!
      return { ...rest, config: { ...configOf(layer), units } }
    }
    return {
      layer: widened(forward, 'forward_layer'),
      backward_layer: widened(backward, 'backward_layer'),
    }
  },
  build(context, [input, ...others]) {
    const { graph, config, path } = context
    const { forward, backward } = directionsOf(config)
    const value = asInKeras(graph, mustHaveRank(context, input, 3))
    const given = statesOf(context, others)
    const half = given.length / 2
    const [ahead, behind] = [
      { layer: forward, name: 'forward', states: given.slice(0, half) },
      { layer: backward, name: 'backward', states: given.slice(half) },
    ].map(({ layer, name, states }) => {
      const kind = asText(layer.class_name)
      const cell = Object.hasOwn(cells, kind) ? cells[kind] : undefined
      if (!cell) throw refuse(context, `a layer ${kind} inside`)
      const folder = `${name}_layer/cell/`
      const direction = { context, cell, config: configOf(layer), folder, node: `${path}/${name}` }
      return run(direction, value, states)
    }) as [ReturnType<typeof run>, ReturnType<typeof run>]
    const isSequence = configOf(forward).return_sequences === true
    // The layer in Keras turns the steps of the second around once more: both lie as they are in time.
    const [one, other] = isSequence
      ? [ahead.outputs, behind.outputs]
      : [ahead.states[0]!, behind.states[0]!]
    const shape = {
      rank: isSequence ? 3 : 2,
      channelsFirst: false,
      mask: isSequence ? value.mask : undefined,
    }
    const { merge_mode: mode = 'concat' } = config
    const merged = mergedBy(context, mode, one, other)
    const outputs = merged.map((name) => ({ name, ...shape }))
    if (configOf(forward).return_state !== true) return outputs
    return [...outputs, ...[...ahead.states, ...behind.states].map(vector)]
  },
}

function mergedBy(context: LayerContext, mode: Json, one: string, other: string): string[] {
  const { graph, path } = context
  const options = { name: path }
  if (mode === null) return [one, other]
  if (mode === 'concat') return [graph.node('Concat', [one, other], { axis: -1 }, options)]
  if (mode === 'sum') return [graph.node('Add', [one, other], {}, options)]
  if (mode === 'mul') return [graph.node('Mul', [one, other], {}, options)]
  if (mode === 'ave') return [graph.node('Mean', [one, other], {}, options)]
  throw refuse(context, `the merge mode ${JSON.stringify(mode)}`)
}

/** The layers inside: without one of its own, the way back is the layer turned around. */
function directionsOf({ layer, backward_layer: given }: JsonObject): {
  readonly forward: JsonObject
  readonly backward: JsonObject
} {
  const forward: JsonObject = isObject(layer) ? layer : {}
  if (isObject(given)) return { forward, backward: given }
  const config = configOf(forward)
  const name = `backward_${asText(config.name)}`
  const turned = { ...config, name, go_backwards: config.go_backwards !== true }
  return { forward, backward: { ...forward, config: turned } }
}

const configOf = ({ config }: JsonObject): JsonObject => (isObject(config) ? config : {})

export const recurrences: KerasLayers = {
  ...Object.fromEntries(Object.keys(cells).map((kind) => [kind, recurrent(kind)])),
  Bidirectional: bidirectional,
}
