/**
 * A Reshape of a Reshape is one of what the first one read: the second alone says which shape comes out, unless
 * it takes sizes over (0). Forms that are emitted one by one leave hundreds of such pairs, and a node costs
 * two microseconds or three even where nothing is moved.
 */
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { constantsOf } from '../../operators/constants-of.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'

export function singleReshapes(model: Model): Model {
  const { graph } = model
  const { producers } = linksOf(graph)
  const constants = constantsOf(model)
  const rewriter = new Rewriter(model)
  const isReshape = (node: Node | undefined): node is Node =>
    node?.opType === 'Reshape' && node.domain === ''
  const takesSizesOver = ({ inputs }: Node): boolean => {
    const sizes = constants.get(inputs[1]!)
    return sizes === undefined || toNumbers(sizes).some((size) => Number(size) === 0)
  }
  for (const node of graph.nodes) {
    let source =
      isReshape(node) && !takesSizesOver(node) ? producers.get(node.inputs[0]!) : undefined
    let [given = ''] = node.inputs
    while (isReshape(source)) {
      given = source.inputs[0]!
      source = producers.get(given)
    }
    rewriter.keep({
      ...node,
      inputs: node.inputs.map((name, i) => (i === 0 && name !== '' ? given : name)),
    })
  }
  return rewriter.model()
}
