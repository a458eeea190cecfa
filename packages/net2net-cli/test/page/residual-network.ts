import type { Model } from 'net2net'
import { GraphBuilder } from 'net2net/model'
import { float32 } from 'net2net/tensor'

/** A large network: residual blocks of 25 nodes, with two layers each, on one stream; ten blocks are a module. */
export function residualNetwork(nodes: number): Model {
  const graph = new GraphBuilder()
  const unit = float32(
    [8, 8],
    Array.from({ length: 64 }, (_, i) => (i % 9 === 0 ? 1 : 0.01 * (i % 5))),
  )
  let stream = graph.input('x', 'float32', ['n', 8])
  for (let block = 0; block < nodes / 25; block++) {
    const name = (part: string) => `/stage.${Math.floor(block / 10)}/block.${block}/${part}`
    const layer = (value: string, part: string) =>
      graph.node(
        'MatMul',
        [value, graph.initializer(`${name(part)}.w`, unit)],
        {},
        { name: name(part) },
      )
    let value = layer(stream, 'first')
    for (let i = 0; i < 22; i++)
      value = graph.node(i % 3 === 0 ? 'Tanh' : 'Relu', [value], {}, { name: name(`act${i}`) })
    stream = graph.node('Add', [stream, layer(value, 'second')], {}, { name: name('sum') })
  }
  graph.output(stream)
  return graph.model()
}
