/**
 * Dense layers and embeddings, masks, and layers that do something only while they are trained.
 *
 * @see https://keras.io/api/layers/core_layers/
 */
import { quote } from '../../../model/quote.ts'
import { int64 } from '../../../tensor/tensor.ts'
import { asText } from '../json.ts'
import { activate } from './activate.ts'
import { asInKeras } from './axes.ts'
import { has, isSet, number, numberOf, refuse } from './config.ts'
import { builtOnce, type KerasLayer, type KerasLayers, type LayerContext } from './contract.ts'
import { kernelAndBias } from './convolutions.ts'

const dense: KerasLayer = {
  variables: (config) => kernelAndBias(config, 'kernel'),
  sizes(of, config) {
    const [, units = 0] = of('kernel')
    // A sum repeats the bias of one unit by itself, so that nothing says that it grows.
    if (has(config, 'use_bias') && of('bias')[0] !== units) return 'its one unit has one bias'
    return { units }
  },
  mask: 'kept',
  build(context, [input]) {
    const { graph, path } = context
    if (isSet(context.config.lora_rank)) throw refuse(context, 'a LoRA adapter')
    const value = asInKeras(graph, input!)
    const weight = context.weight('kernel')
    const bias = has(context.config, 'use_bias') ? [context.weight('bias')] : []
    if (value.rank === 2) {
      const name = graph.node('Gemm', [value.name, weight, ...bias], {}, { name: path })
      return activate(context, { ...value, name })
    }
    const product = graph.node('MatMul', [value.name, weight], {}, { name: path })
    return activate(context, { ...value, name: withBias(context, product, bias) })
  },
}

const withBias = ({ graph }: LayerContext, product: string, [bias]: readonly string[]): string =>
  bias === undefined ? product : graph.node('Add', [product, bias])

/** A sum of products over named axes; an ellipsis stands for the axes before the last ones. */
const einsumDense: KerasLayer = {
  variables: (config) => (isSet(config.bias_axes) ? ['kernel', 'bias'] : ['kernel']),
  sizes: (of, { equation, output_shape: old }) => ({
    output_shape: grownOutput(asText(equation), of('kernel'), old),
  }),
  build(context, [input]) {
    const { graph, config, path } = context
    const value = asInKeras(graph, input!)
    const { equation } = config
    if (typeof equation !== 'string' || equation.includes('.'))
      throw refuse(context, `the equation ${quote(equation)}`)
    if (isSet(config.lora_rank)) throw refuse(context, 'a LoRA adapter')
    const product = graph.node(
      'Einsum',
      [value.name, context.weight('kernel')],
      { equation },
      { name: path },
    )
    const rank = equation.split('->')[1]?.length ?? 0
    const bias = isSet(config.bias_axes) ? [context.weight('bias')] : []
    return activate(context, {
      name: withBias(context, product, bias),
      rank,
      channelsFirst: false,
    })
  },
}

/** `output_shape`: the sizes behind the batch, null where they are those of the input. */
function grownOutput(equation: string, kernel: readonly number[], old: unknown) {
  const [left = '', result = ''] = equation.split('->')
  const letters = left.split(',')[1] ?? ''
  const list = Array.isArray(old) ? (old as readonly unknown[]) : [old]
  return list.map((size, i) => {
    const place = letters.indexOf(result[i + 1 + (result.length - 1 - list.length)] ?? '?')
    return typeof size === 'number' ? (kernel[place] ?? size) : null
  })
}

const embedding: KerasLayer = {
  mask: 'own',
  variables: () => ['embeddings'],
  sizes: (of) => ({ input_dim: of('embeddings')[0]!, output_dim: of('embeddings')[1]! }),
  build(context, [input]) {
    const { graph, config, path } = context
    const ids = graph.node('Cast', [input!.name], { to: 7 })
    const inputs = [context.weight('embeddings'), ids]
    const name = graph.node('Gather', inputs, { axis: 0 }, { name: path })
    const value = { name, rank: input!.rank + 1, channelsFirst: false }
    if (config.mask_zero !== true) return value
    const mask = () =>
      graph.node('Not', [graph.node('Equal', [ids, graph.constant(int64([0]), 'zero')])])
    return { ...value, mask: builtOnce(mask) }
  },
}

/** Steps whose features all have one value do not count, and are zero. */
const masking: KerasLayer = {
  mask: 'own',
  build(context, [input]) {
    const { graph } = context
    const value = asInKeras(graph, input!)
    const skipped = number(graph, numberOf(context, 'mask_value', 0))
    const differs = graph.node('Not', [graph.node('Equal', [value.name, skipped])])
    const last = graph.constant(int64([-1]), 'axes')
    const found = graph.node('Cast', [differs], { to: 1 })
    const counts = graph.node('ReduceMax', [found, last], { keepdims: 1 })
    const name = graph.node('Mul', [value.name, counts], {}, { name: context.path })
    const mask = () => graph.node('Squeeze', [graph.node('Cast', [counts], { to: 9 }), last])
    return { ...value, name, mask: builtOnce(mask) }
  },
}

/** Layers that do something only while they are trained, and not to ONNX's knowledge. */
const passing: KerasLayer = { mask: 'kept', build: (_, [input]) => input! }

const dropout: KerasLayer = {
  mask: 'kept',
  build({ graph, config, path }, [input]) {
    const rate = typeof config.rate === 'number' ? config.rate : 0
    const name = graph.node('Dropout', [input!.name, number(graph, rate)], {}, { name: path })
    return { ...input!, name }
  },
}

const activation: KerasLayer = {
  mask: 'kept',
  build: (context, [input]) => activate(context, input!),
}

export const core: KerasLayers = {
  Dense: dense,
  EinsumDense: einsumDense,
  Embedding: embedding,
  Masking: masking,
  Activation: activation,
  Identity: passing,
  Dropout: dropout,
  SpatialDropout1D: passing,
  SpatialDropout2D: passing,
  SpatialDropout3D: passing,
  AlphaDropout: passing,
  GaussianNoise: passing,
  GaussianDropout: passing,
  ActivityRegularization: passing,
}
