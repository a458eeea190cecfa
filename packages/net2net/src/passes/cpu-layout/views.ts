/** Nodes that give the same elements in another shape, what lies before them, and exchanges of axes. */
import { intsAttribute } from '../../model/attributes.ts'
import type { Links } from '../../model/links.ts'
import { isStandard, type Node } from '../../model/model.ts'

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

/** [N, C, H, W] as [C, N, H, W], or a weight's filters and channels exchanged. */
export const putsChannelsFirst = (node: Node): boolean =>
  isStandard(node, 'Transpose') && String(intsAttribute(node, 'perm')) === '1,0,2,3'
