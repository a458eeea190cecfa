/**
 * Images whose channels come last, [N, H, W, C] or with their positions as one axis, [N, H·W, C], as networks normalize over channels and as
 * transformers read images. ONNX Runtime takes them into blocks of channels, and out of them, without the order of the standard in between.
 */
import { intsAttribute } from '../../model/attributes.ts'
import type { Links } from '../../model/links.ts'
import { isStandard, type Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'

type Infos = ReadonlyMap<string, ValueInfo>

/** Two values that hold the same images, one after the other. */
interface Exchange {
  /** [N, C, H, W] */
  readonly images: string
  /** [N, H, W, C], or [N, H·W, C] */
  readonly last: string
}

/** Does the node give images [N, C, H, W] as ones whose channels come last? */
export function givesChannelsLast(
  node: Node,
  { producers }: Links,
  infos: Infos,
): Exchange | undefined {
  const [given = ''] = node.inputs
  const [last = ''] = node.outputs
  if (exchanges(node, '0,2,3,1')) return { images: given, last }
  const view = producers.get(given)
  const images = view?.inputs[0] ?? ''
  return exchanges(node, '0,2,1') && hasOnePosition(view, images, given, infos)
    ? { images, last }
    : undefined
}

/** Does the node give images whose channels come last as ones [N, C, H, W]? */
export function takesChannelsLast(
  node: Node,
  { producers }: Links,
  infos: Infos,
): Exchange | undefined {
  const [given = ''] = node.inputs
  const [images = ''] = node.outputs
  if (exchanges(node, '0,3,1,2')) return { images, last: given }
  const transpose = producers.get(given)
  return exchanges(transpose, '0,2,1') && hasOnePosition(node, images, given, infos)
    ? { images, last: transpose!.inputs[0]! }
    : undefined
}

const exchanges = (node: Node | undefined, perm: string): boolean =>
  node !== undefined && isStandard(node, 'Transpose') && `${intsAttribute(node, 'perm')}` === perm

/** Is the node a Reshape between images [N, C, H, W] and [N, C, H·W]? */
function hasOnePosition(
  node: Node | undefined,
  images: string,
  lines: string,
  infos: Infos,
): boolean {
  if (node === undefined || !isStandard(node, 'Reshape')) return false
  const [shape, flat] = [infos.get(images)?.shape ?? [], infos.get(lines)?.shape ?? []]
  const [, channels, height, width] = shape
  return (
    shape.length === 4 &&
    flat.length === 3 &&
    typeof channels === 'number' &&
    flat[1] === channels &&
    typeof flat[2] === 'number' &&
    flat[2] === Number(height) * Number(width)
  )
}
