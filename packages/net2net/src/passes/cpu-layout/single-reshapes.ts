/**
 * A Reshape of a Reshape is one of what the first one read: the second alone says which shape comes out, unless
 * it takes sizes over (0). Forms that are emitted one by one leave hundreds of such pairs, and a node costs
 * two microseconds or three even where nothing is moved.
 *
 * What is equal then is computed once: one form may read a value by way of another shape than the next.
 *
 * Axes of size one are added and removed by Reshape too, where the sizes are known. ONNX Runtime moves a Transpose over an Unsqueeze or a
 * Squeeze, and its kernel is slow where axes of size one stand between the others: [32, 64, 64] with the last two exchanged takes 0.1 ms,
 * and [32, 64, 1, 64] 0.4.
 */
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { constantsOf } from '../../operators/constants-of.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { int64, toNumbers } from '../../tensor/tensor.ts'
import { inferOnce } from './infer-once.ts'
import { Rewriter } from './rewriter.ts'

export function singleReshapes(model: Model): Model {
  const { graph } = model
  const { producers } = linksOf(graph)
  const constants = constantsOf(model)
  const infos = inferOnce(model)
  const rewriter = new Rewriter(model)
  const isReshape = (node: Node | undefined): node is Node =>
    node?.opType === 'Reshape' && node.domain === ''
  const takesSizesOver = ({ inputs }: Node): boolean => {
    const sizes = constants.get(inputs[1]!)
    return sizes === undefined || toNumbers(sizes).some((size) => Number(size) === 0)
  }
  /** What only the shape is changed of. */
  const sourceOf = (name: string): string => {
    const node = producers.get(name)
    return isReshape(node) || (node && unitAxesSizes(node, infos))
      ? sourceOf(node.inputs[0]!)
      : name
  }
  for (const node of graph.nodes) {
    const sizes = unitAxesSizes(node, infos)
    const [value = ''] = node.inputs
    if (sizes) {
      const inputs = [sourceOf(value), rewriter.constant(int64(sizes), 'sizes')]
      rewriter.share({ ...node, opType: 'Reshape', inputs, attributes: new Map() })
    } else if (isReshape(node) && !takesSizesOver(node))
      rewriter.share({ ...node, inputs: [sourceOf(value), ...node.inputs.slice(1)] })
    else rewriter.share(node)
  }
  return rewriter.model()
}

/** The sizes to reshape to for the axes of size one that a node adds or removes; undefined for vectors and matrices, and where more than one is open. */
function unitAxesSizes(
  { opType, domain, outputs }: Node,
  infos: ReadonlyMap<string, ValueInfo>,
): readonly number[] | undefined {
  if (!/^(Uns|S)queeze$/.test(opType) || domain !== '') return undefined
  const { shape } = infos.get(outputs[0]!) ?? {}
  const sizes = shape?.map((dim) => (typeof dim === 'number' ? dim : -1)) ?? []
  const open = sizes.filter((size) => size === -1).length
  return sizes.length > 2 && open < 2 && !sizes.includes(0) ? sizes : undefined
}
