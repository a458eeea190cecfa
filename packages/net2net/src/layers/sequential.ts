import { usageError } from '../errors.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { chain } from './combine.ts'
import { buildContext, type Layer, mustBeSizes } from './layer.ts'

export interface SequentialOptions {
  /** Shape of one sample: [channels, height, width], [features], or [length] of ids. */
  readonly input: readonly number[]
  /** Seed of the initial parameters. Default 0. */
  readonly seed?: number
  /** Name of the graph. */
  readonly name?: string
}

/**
 * A network of layers, one after the other, as an ONNX model: float32 input `input` [batch, …] (int64
 * where it begins with an embedding),
 * output `output` [batch, …]. Parameters are called `LAYER.weight`, `LAYER.bias`.
 *
 * @throws usage, naming the layer, where a layer does not fit its input or a name is taken
 */
export function sequential(layers: readonly Layer[], options: SequentialOptions): Model {
  if (layers.length === 0) throw usageError('A network needs at least one layer.')
  mustBeSizes('input', 'sizes', options.input)
  const builder = new GraphBuilder()
  const isIds = layers[0]?.takesIds
  builder.input('input', isIds ? 'int64' : 'float32', ['batch', ...options.input])
  builder.names.claim('output')
  const context = buildContext(builder, options.seed ?? 0)
  const last = chain(context, layers, {
    name: 'input',
    dims: options.input,
    ...(isIds ? { isIds } : {}),
  })
  builder.output('output', 'float32', ['batch', ...last.dims])
  const graph = builder.graph(options.name ?? 'sequential')
  // The layers cannot know which of them is the last one: its output is renamed here.
  const nodes = graph.nodes.map((node) =>
    node.outputs.includes(last.name)
      ? { ...node, outputs: node.outputs.map((name) => (name === last.name ? 'output' : name)) }
      : node,
  )
  return modelOf({ ...graph, nodes })
}
