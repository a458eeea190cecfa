/**
 * Activations that are layers.
 *
 * @see https://keras.io/api/layers/activation_layers/
 */
import { float } from '../../../model/attributes.ts'
import { asInKeras, axisIn } from './axes.ts'
import { axisOf, isNumbers, number, numberOf, refuse } from './config.ts'
import type { KerasLayer, KerasLayers } from './contract.ts'

const relu: KerasLayer = {
  mask: 'kept',
  build(context, [input]) {
    const { graph, config, path } = context
    const slope = typeof config.negative_slope === 'number' ? config.negative_slope : 0
    const most = typeof config.max_value === 'number' ? config.max_value : undefined
    if ((config.threshold ?? 0) !== 0 || (most !== undefined && slope !== 0))
      throw refuse(context, 'a threshold, or a largest value with a slope')
    const { name } = input!
    const result =
      most !== undefined
        ? graph.node('Clip', [name, number(graph, 0), number(graph, most)], {}, { name: path })
        : slope !== 0
          ? graph.node('LeakyRelu', [name], { alpha: float(slope) }, { name: path })
          : graph.node('Relu', [name], {}, { name: path })
    return { ...input!, name: result }
  },
}

/** An activation with one number, called `alpha` in ONNX. */
const withAlpha = (opType: string, keys: readonly string[], otherwise: number): KerasLayer => ({
  mask: 'kept',
  build(context, [input]) {
    const { graph, config, path } = context
    const key = keys.find((each) => typeof config[each] === 'number') ?? keys[0]!
    const alpha = float(numberOf(context, key, otherwise))
    return { ...input!, name: graph.node(opType, [input!.name], { alpha }, { name: path }) }
  },
})

const pRelu: KerasLayer = {
  variables: () => ['alpha'],
  mask: 'kept',
  build(context, [input]) {
    const { graph, path } = context
    const value = asInKeras(graph, input!)
    const inputs = [value.name, context.weight('alpha')]
    return { ...value, name: graph.node('PRelu', inputs, {}, { name: path }) }
  },
}

const softmax: KerasLayer = {
  mask: 'kept',
  build(context, [input]) {
    const { graph, config, path } = context
    if (input!.mask !== undefined) throw refuse(context, 'a masked input')
    if (isNumbers(config.axis) && config.axis.length > 1) throw refuse(context, 'several axes')
    const axis = axisIn(input!, axisOf(context, input!.rank))
    return { ...input!, name: graph.node('Softmax', [input!.name], { axis }, { name: path }) }
  },
}

export const activationLayers: KerasLayers = {
  ReLU: relu,
  LeakyReLU: withAlpha('LeakyRelu', ['negative_slope', 'alpha'], 0.3),
  PReLU: pRelu,
  ELU: withAlpha('Elu', ['alpha'], 1),
  Softmax: softmax,
}
