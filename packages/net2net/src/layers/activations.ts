import { mustBeOneOf } from '../errors.ts'
import { type AttributeLike, float } from '../model/attributes.ts'
import type { BuildContext, Layer, LayerValue } from './layer.ts'

/** Keras's names of activation functions, as ONNX operators. */
const activations = {
  relu: ['Relu', {}],
  leakyRelu: ['LeakyRelu', { alpha: float(0.2) }],
  elu: ['Elu', {}],
  selu: ['Selu', {}],
  sigmoid: ['Sigmoid', {}],
  hardSigmoid: ['HardSigmoid', { alpha: float(1 / 6) }],
  tanh: ['Tanh', {}],
  softplus: ['Softplus', {}],
  /** Over the last axis of a vector, over the channels of an image. */
  softmax: ['Softmax', { axis: 1 }],
} as const satisfies Record<string, readonly [string, Readonly<Record<string, AttributeLike>>]>

const known = Object.keys(activations) as Exclude<Activation, 'linear'>[]

/** `'linear'` adds nothing. */
export type Activation = keyof typeof activations | 'linear'

/** Applies an activation; its node is called `LAYER.relu` and so on. */
export function activate(
  context: BuildContext,
  layer: string,
  kind: Activation,
  value: LayerValue,
): LayerValue {
  if (kind === 'linear') return value
  return activationNode(context, `${layer}.${kind}`, kind, value)
}

function activationNode(
  context: BuildContext,
  name: string,
  kind: Exclude<Activation, 'linear'>,
  value: LayerValue,
): LayerValue {
  mustBeOneOf(`${name}: the activation`, kind, known)
  const [opType, attributes] = activations[kind]
  return { name: context.node(opType, [value.name], attributes, name), dims: value.dims }
}

/** An activation as a layer of its own. */
export const activation = (
  kind: Exclude<Activation, 'linear'>,
  { name }: { readonly name?: string } = {},
): Layer => ({
  apply: (context, value) => activationNode(context, context.layerName(name, kind), kind, value),
})
export const relu = (options: { readonly name?: string } = {}): Layer => activation('relu', options)
export const softmax = (options: { readonly name?: string } = {}): Layer =>
  activation('softmax', options)
