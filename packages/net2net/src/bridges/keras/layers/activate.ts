/** Activations by their names. */
import { float } from '../../../model/attributes.ts'
import type { GraphBuilder } from '../../../model/builder.ts'
import { quote } from '../../../model/quote.ts'
import { isObject, type Json } from '../json.ts'
import { axisIn } from './axes.ts'
import { number, refuse } from './config.ts'
import type { KerasValue, LayerContext } from './contract.ts'

type Emit = (context: LayerContext, value: KerasValue) => string

const one =
  (opType: string, attributes: Parameters<GraphBuilder['node']>[2] = {}): Emit =>
  ({ graph }, { name }) =>
    graph.node(opType, [name], attributes)

const clip =
  (low: number, high: number): Emit =>
  ({ graph }, { name }) =>
    graph.node('Clip', [name, number(graph, low), number(graph, high)])

/** @see https://keras.io/api/layers/activations/ */
const activations: Readonly<Record<string, Emit>> = {
  linear: (_, { name }) => name,
  relu: one('Relu'),
  relu6: clip(0, 6),
  sigmoid: one('Sigmoid'),
  tanh: one('Tanh'),
  softmax: ({ graph }, value) => graph.node('Softmax', [value.name], { axis: axisIn(value, -1) }),
  log_softmax: ({ graph }, value) =>
    graph.node('LogSoftmax', [value.name], { axis: axisIn(value, -1) }),
  softplus: one('Softplus'),
  softsign: one('Softsign'),
  elu: one('Elu', { alpha: float(1) }),
  celu: one('Celu', { alpha: float(1) }),
  selu: one('Selu', { alpha: float(1.6732631921768188), gamma: float(1.0507010221481323) }),
  exponential: one('Exp'),
  silu: ({ graph }, { name }) => graph.node('Mul', [name, graph.node('Sigmoid', [name])]),
  swish: (context, value) => activations.silu!(context, value),
  mish: ({ graph }, { name }) =>
    graph.node('Mul', [name, graph.node('Tanh', [graph.node('Softplus', [name])])]),
  gelu: ({ graph }, { name }) => {
    const scaled = graph.node('Mul', [name, number(graph, Math.SQRT1_2)])
    const erf = graph.node('Add', [graph.node('Erf', [scaled]), number(graph, 1)])
    return graph.node('Mul', [graph.node('Mul', [name, erf]), number(graph, 0.5)])
  },
  leaky_relu: one('LeakyRelu', { alpha: float(0.2) }),
  hard_sigmoid: one('HardSigmoid', { alpha: float(1 / 6), beta: float(0.5) }),
  hard_silu: one('HardSwish'),
  hard_swish: one('HardSwish'),
  hard_tanh: clip(-1, 1),
  hard_shrink: one('Shrink', { lambd: float(0.5), bias: float(0) }),
  soft_shrink: one('Shrink', { lambd: float(0.5), bias: float(0.5) }),
  tanh_shrink: ({ graph }, { name }) => graph.node('Sub', [name, graph.node('Tanh', [name])]),
  log_sigmoid: ({ graph }, { name }) =>
    graph.node('Neg', [graph.node('Softplus', [graph.node('Neg', [name])])]),
}

/** The name of an activation, which a config has as text or as the object into which Keras serializes functions. */
export function activationName(given: Json | undefined): string {
  const name = isObject(given) ? (given.config ?? given.class_name) : (given ?? 'linear')
  return typeof name === 'string' ? name : JSON.stringify(name ?? null)
}

/** The activation that the layer's config names. */
export const activate = (
  context: LayerContext,
  value: KerasValue,
  key = 'activation',
): KerasValue => activated(context, value, activationName(context.config[key]))

export function activated(context: LayerContext, value: KerasValue, name: string): KerasValue {
  const emit = Object.hasOwn(activations, name) ? activations[name] : undefined
  if (!emit) throw refuse(context, `the activation ${quote(name)}`)
  if (name !== 'linear') context.beforeActivation(value.name)
  return { ...value, name: emit(context, value) }
}
