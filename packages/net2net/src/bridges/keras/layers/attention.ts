/**
 * Attention.
 *
 * @see https://keras.io/api/layers/attention_layers/
 */
import { int64 } from '../../../tensor/tensor.ts'
import type { JsonObject } from '../json.ts'
import { asInKeras } from './axes.ts'
import { has, isNumbers, isSet, mustHaveRank, number, numberOf, refuse } from './config.ts'
import {
  type KerasLayer,
  type KerasLayers,
  type KerasValue,
  type LayerContext,
  maskOf,
} from './contract.ts'

const einsum = ({ graph }: LayerContext, equation: string, inputs: readonly string[]): string =>
  graph.node('Einsum', inputs, { equation })

const unsqueezed = ({ graph }: LayerContext, name: string, ...axes: readonly number[]): string =>
  graph.node('Unsqueeze', [name, graph.constant(int64(axes), 'axes')])

const both = ({ graph }: LayerContext, one: string | undefined, other: string): string =>
  one === undefined ? other : graph.node('And', [one, other])

/** Much less than any score, as Keras has it in float32. */
const negative = -3.4028234663852886e38 * 0.7

interface Sources {
  readonly query: KerasValue
  readonly key: KerasValue
  readonly value: KerasValue
}

/** The position of each query [queries, 1] or key [keys] minus that of the other: [queries, keys]. */
function distance(context: LayerContext, query: string, key: string): string {
  const { graph } = context
  const positions = (name: string) =>
    graph.node(
      'Range',
      [
        graph.constant(int64([0]), 'zero'),
        graph.node('Shape', [name], { start: 1, end: 2 }),
        graph.constant(int64([1]), 'one'),
      ].map((each) => graph.node('Squeeze', [each])),
    )
  return graph.node('Sub', [unsqueezed(context, positions(query), 1), positions(key)])
}

/** Which keys each query may see, against scores [batch, heads, queries, keys]; undefined where all. */
function visible(context: LayerContext, sources: Sources): string | undefined {
  const { graph, call, config, named } = context
  const { query, key, value } = sources
  let mask: string | undefined
  if (query.mask !== undefined) mask = both(context, mask, unsqueezed(context, query.mask(), 1, 3))
  if (value.mask !== undefined) mask = both(context, mask, unsqueezed(context, value.mask(), 1, 2))
  if (key.mask !== undefined && key !== value)
    mask = both(context, mask, unsqueezed(context, key.mask(), 1, 2))
  if (call.use_causal_mask === true) {
    const behind = distance(context, query.name, key.name)
    const zero = graph.constant(int64([0]), 'zero')
    mask = both(context, mask, graph.node('GreaterOrEqual', [behind, zero]))
  }
  if (isSet(config.sliding_window)) {
    const far = graph.node('Abs', [distance(context, query.name, key.name)])
    const reach = graph.constant(int64([numberOf(context, 'sliding_window')]), 'reach')
    mask = both(context, mask, graph.node('Less', [far, reach]))
  }
  const [given] = named.get('attention_mask') ?? []
  if (given) {
    const asBool = graph.node('Cast', [given.name], { to: 9 })
    mask = both(context, mask, given.rank === 3 ? unsqueezed(context, asBool, 1) : asBool)
  }
  return mask
}

/** The three that a layer attends with: given in this order, the key by name or as the value. */
function sourcesOf(context: LayerContext, inputs: readonly KerasValue[]): Sources {
  const all = ['query', 'value', 'key'].map((name, i) => {
    const value = context.named.get(name)?.[0] ?? inputs[i]
    const [mask] = context.named.get(`${name}_mask`) ?? []
    return value && mask ? { ...value, mask: maskOf(mask.name) } : value
  })
  const [query, value, key] = all.map((each) => each && asInKeras(context.graph, each))
  for (const each of [query, value]) mustHaveRank(context, each, 3)
  return { query: query!, value: value!, key: key ?? value! }
}

/** The folders of the projections: Keras keeps those without a property of their own under their attribute. */
const projections = (config: JsonObject, isGrouped: boolean): readonly string[] =>
  ['query', 'key', ...(config.use_gate === true ? ['gate'] : []), 'value', 'output'].map((name) =>
    folderOf(name, isGrouped),
  )
const folderOf = (name: string, isGrouped: boolean): string =>
  `${isGrouped || name === 'gate' ? '_' : ''}${name}_dense`

/** Kernels [features, heads, depth] and biases [heads, depth]. */
const variablesOf =
  (isGrouped: boolean): NonNullable<KerasLayer['variables']> =>
  (config) =>
    projections(config, isGrouped).flatMap((each) =>
      has(config, 'use_bias') ? [`${each}/kernel`, `${each}/bias`] : [`${each}/kernel`],
    )

/** softmax(q·k / √depth)·v for each head, between projections; where grouped, several heads share a key and a value. */
function multiHead(context: LayerContext, inputs: readonly KerasValue[], isGrouped: boolean) {
  const { graph, config, path, call } = context
  const axes = config.attention_axes
  if (isNumbers(axes) && axes.join() !== '1') throw refuse(context, `the attention axes ${axes}`)
  const sources = sourcesOf(context, inputs)
  const folder = (name: string) => folderOf(name, isGrouped)
  const reshaped = (name: string, ...shape: readonly number[]) =>
    graph.node('Reshape', [name, graph.constant(int64(shape), 'shape')])
  const kernelOf = (name: string) => context.weight(`${folder(name)}/kernel`)
  const product = (
    input: string,
    weight: string,
    name: string,
    bias: (given: string) => string,
  ) => {
    const node = { name: `${path}/${name === 'output' ? 'attention_output' : name}` }
    const result = graph.node('MatMul', [input, weight], {}, node)
    return has(config, 'use_bias')
      ? graph.node('Add', [result, bias(context.weight(`${folder(name)}/bias`))])
      : result
  }
  /** [batch, steps, heads, depth] */
  const project = (input: KerasValue, name: string) => {
    const [, count, depth] = context.tensor(`${folder(name)}/kernel`).dims as readonly number[]
    const weight = reshaped(kernelOf(name), 0, -1)
    const flat = product(input.name, weight, name, (bias) => reshaped(bias, -1))
    return reshaped(flat, 0, 0, count!, depth!)
  }
  const query = project(sources.query, 'query')
  const key = project(sources.key, 'key')
  const value = project(sources.value, 'value')
  const [, heads, depth] = context.tensor(`${folder('query')}/kernel`).dims as [
    number,
    number,
    number,
  ]
  const [, shared] = context.tensor(`${folder('key')}/kernel`).dims as [number, number, number]
  const scaled = graph.node('Mul', [query, number(graph, 1 / Math.sqrt(depth))])
  const scores = isGrouped
    ? einsum(context, 'abghe,aige->aghbi', [
        reshaped(scaled, 0, 0, shared, heads / shared, depth),
        key,
      ])
    : einsum(context, 'abde,aide->adbi', [scaled, key])
  const seen = visible(context, sources)
  const mask = seen !== undefined && isGrouped ? unsqueezed(context, seen, -3) : seen
  const limited =
    mask === undefined ? scores : graph.node('Where', [mask, scores, number(graph, negative)])
  const weights = graph.node('Softmax', [limited], { axis: -1 })
  // With dropout, or where the weights are asked for, queries that see nothing give nothing.
  const isStrict = numberOf(context, 'dropout', 0) > 0 || call.return_attention_scores === true
  const attention =
    mask !== undefined && isStrict
      ? graph.node('Where', [mask, weights, number(graph, 0)])
      : weights
  const attended = isGrouped
    ? reshaped(einsum(context, 'aghbi,aige->abghe', [attention, value]), 0, 0, heads, depth)
    : einsum(context, 'adbi,aide->abde', [attention, value])
  const gated =
    config.use_gate === true
      ? graph.node('Mul', [attended, graph.node('Sigmoid', [project(sources.query, 'gate')])])
      : attended
  const out = context.tensor(`${folder('output')}/kernel`).dims.at(-1)!
  const weight = reshaped(kernelOf('output'), -1, out)
  const name = product(reshaped(gated, 0, 0, -1), weight, 'output', (bias) => bias)
  const output: KerasValue = {
    name,
    rank: 3,
    channelsFirst: false,
    mask: isGrouped ? undefined : sources.query.mask,
  }
  if (call.return_attention_scores !== true) return output
  if (isGrouped) throw refuse(context, 'its scores as an output')
  return [output, { name: attention, rank: 4, channelsFirst: false }]
}

/** Keras divides the scores by √depth: the queries make up for what that becomes. */
const scaleKept =
  (isGrouped: boolean): NonNullable<KerasLayer['factors']> =>
  (before, after) => {
    const query = folderOf('query', isGrouped)
    const [old, grown] = [before, after].map((of) => of(`${query}/kernel`)[2]!) as [number, number]
    const factor = Math.sqrt(grown / old)
    return { [`${query}/kernel`]: factor, [`${query}/bias`]: factor }
  }

const multiHeadAttention: KerasLayer = {
  variables: variablesOf(false),
  mask: 'own',
  sizes(of, config) {
    const [features, heads, depth] = of('query_dense/kernel') as [number, number, number]
    const out = of('output_dense/kernel').at(-1)!
    const says = isSet(config.output_shape) || out !== features
    return {
      num_heads: heads,
      key_dim: depth,
      value_dim: of('value_dense/kernel')[2]!,
      ...(says && { output_shape: [out] }),
    }
  },
  factors: scaleKept(false),
  build(context, inputs) {
    if (context.tensor('output_dense/kernel').dims.length !== 3)
      throw refuse(context, 'an output of several axes')
    return multiHead(context, inputs, false)
  },
}

const groupQueryAttention: KerasLayer = {
  variables: variablesOf(true),
  mask: 'own',
  sizes(of) {
    const [, heads, depth] = of('_query_dense/kernel') as [number, number, number]
    if (of('_value_dense/kernel')[2] !== depth) return 'its keys and values have one depth'
    if (of('_output_dense/kernel').at(-1) !== of('_query_dense/kernel')[0])
      return 'its output is as wide as its queries are'
    return {
      head_dim: depth,
      num_query_heads: heads,
      num_key_value_heads: of('_key_dense/kernel')[1]!,
    }
  },
  factors: scaleKept(true),
  build: (context, inputs) => multiHead(context, inputs, true),
}

/** softmax(scores)·v of [query, value, key]; what `emit` makes of queries and keys are the scores. */
const attention = (
  emit: (context: LayerContext, query: string, key: string) => string,
  variables: NonNullable<KerasLayer['variables']>,
): KerasLayer => ({
  variables,
  mask: 'own',
  build(context, inputs) {
    const { graph, call, path } = context
    const [query, value, key = value] = inputs.map((each) =>
      asInKeras(graph, mustHaveRank(context, each, 3)),
    )
    if (!query || !value || !key) throw refuse(context, `${inputs.length} inputs`)
    const scores = emit(context, query.name, key.name)
    let mask = value.mask === undefined ? undefined : unsqueezed(context, value.mask(), 1)
    if (call.use_causal_mask === true) {
      const behind = distance(context, query.name, value.name)
      const zero = graph.constant(int64([0]), 'zero')
      mask = both(context, mask, graph.node('GreaterOrEqual', [behind, zero]))
    }
    const less = graph.node('Sub', [scores, number(graph, 1e9)])
    const limited = mask === undefined ? scores : graph.node('Where', [mask, scores, less])
    const weights = graph.node('Softmax', [limited], { axis: -1 })
    const attended = graph.node('MatMul', [weights, value.name], {}, { name: path })
    const name =
      query.mask === undefined
        ? attended
        : graph.node('Where', [unsqueezed(context, query.mask(), 2), attended, number(graph, 0)])
    const output = { name, rank: 3, channelsFirst: false, mask: query.mask }
    if (call.return_attention_scores !== true) return output
    return [output, { name: weights, rank: 3, channelsFirst: false }]
  },
})

/** Σ tanh(q + k) over the features of each pair of a query and a key, each feature with a factor. */
function additive(
  context: LayerContext,
  query: string,
  key: string,
  inner?: string,
  outer?: string,
) {
  const { graph } = context
  const sum = graph.node('Add', [unsqueezed(context, query, 2), unsqueezed(context, key, 1)])
  const bounded = graph.node('Tanh', [inner === undefined ? sum : graph.node('Mul', [inner, sum])])
  const scaled = outer === undefined ? bounded : graph.node('Mul', [outer, bounded])
  return graph.node('ReduceSum', [scaled, graph.constant(int64([3]), 'axes')], { keepdims: 0 })
}

const dotProduct: Parameters<typeof attention>[0] = (context, query, key) => {
  const { graph, config } = context
  const scale = config.use_scale === true ? context.weight('scale') : undefined
  if (config.score_mode === 'concat')
    return graph.node('Mul', [
      context.weight('concat_score_weight'),
      additive(context, query, key, scale),
    ])
  const scores = einsum(context, 'abd,aid->abi', [query, key])
  return scale === undefined ? scores : graph.node('Mul', [scores, scale])
}

export const attentions: KerasLayers = {
  MultiHeadAttention: multiHeadAttention,
  GroupQueryAttention: groupQueryAttention,
  GroupedQueryAttention: groupQueryAttention,
  Attention: attention(dotProduct, ({ use_scale, score_mode }) => [
    ...(use_scale === true ? ['scale'] : []),
    ...(score_mode === 'concat' ? ['concat_score_weight'] : []),
  ]),
  AdditiveAttention: attention(
    (context, query, key) =>
      additive(
        context,
        query,
        key,
        undefined,
        has(context.config, 'use_scale') ? context.weight('scale') : undefined,
      ),
    (config) => (has(config, 'use_scale') ? ['scale'] : []),
  ),
}
