/** Nodes that give the same elements in another shape, what lies before them, and exchanges of axes. */
import { intsAttribute } from '../../model/attributes.ts'
import { type Links, onlyReader } from '../../model/links.ts'
import { isStandard, type Model, type Node } from '../../model/model.ts'

export const isView = (node: Node): boolean => isStandard(node, 'Reshape', 'Squeeze', 'Unsqueeze')

/** The value of whose elements this one is a view; at the latest one for which `isEnough` holds. */
export function viewed(
  name: string,
  producers: Links['producers'],
  isEnough: (name: string) => boolean = () => false,
): string {
  const node = producers.get(name)
  return isEnough(name) || !node || !isView(node)
    ? name
    : viewed(node.inputs[0]!, producers, isEnough)
}

/** What a node gives, in the shape that a Reshape makes of it if nothing else reads it. */
export function reshapedResult(
  node: Node,
  graph: { readonly links: Links; readonly model: Model },
): string {
  const [result = ''] = node.outputs
  const next = onlyReader(graph, result)
  return next && isStandard(next, 'Reshape') ? next.outputs[0]! : result
}

/** [N, C, H, W] as [C, N, H, W], or a weight's filters and channels exchanged. */
export const putsChannelsFirst = (node: Node): boolean =>
  isStandard(node, 'Transpose') && String(intsAttribute(node, 'perm')) === '1,0,2,3'
