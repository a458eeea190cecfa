/** Images that lie below each other, channel by channel, as gradients of weights read them (`../../operators/decompositions/conv-weight-tall.ts`). */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Links } from '../../model/links.ts'
import type { Dim, Node, Shape } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import { putsChannelsFirst, viewed } from './views.ts'

/** Images below each other, with zeros behind each. */
export interface ImagesBelow {
  /** [N, C, H, W] */
  readonly images: string
  readonly sizes: readonly [channels: number, height: number, width: number]
  readonly batch: Dim
  readonly groups: number
  /** How many zeros are behind each channel of each image. */
  readonly zeros: number
}

/**
 * Of which images the value, [C / groups, groups, N·R, W], was made by bringing the channels to the front, as [C, N, H·W], setting zeros behind each
 * image, and taking the groups apart.
 */
export function imagesBelow(
  name: string,
  { producers }: Links,
  infos: ReadonlyMap<string, ValueInfo>,
): ImagesBelow | undefined {
  const shape = (value: string) => infos.get(value)?.shape ?? []
  const given = (value: string) => viewed(value, producers)
  const shuffled = producers.get(given(name))
  const groups = inGroups(shuffled, shape(shuffled?.inputs[0] ?? ''))
  const stacked = groups === undefined ? name : shuffled!.inputs[0]!
  const concat = producers.get(given(stacked))
  const isPadded = concat?.opType === 'Concat' && concat.inputs.length === 2
  const [front = '', behind] = isPadded ? concat.inputs : [stacked]
  const transpose = producers.get(given(front))
  if (!transpose || !putsChannelsFirst(transpose)) return undefined
  const [images = ''] = transpose.inputs
  const [batch = null, channels, height, width] = shape(images)
  if ([channels, height, width].some((size) => typeof size !== 'number')) return undefined
  const [outer, inner, , last] = shape(name)
  const isBelow =
    Number(outer) * Number(inner) === channels &&
    (groups === undefined ? outer === 1 || inner === 1 : inner === groups) &&
    last === width
  if (!isBelow) return undefined
  const sizes = [channels, height, width] as readonly unknown[] as ImagesBelow['sizes']
  const found = { images, sizes, batch, groups: inner as number }
  if (behind === undefined) return { ...found, zeros: 0 }
  const zeros = shape(behind)[2]
  const isBehind =
    intAttribute(concat!, 'axis', 0) === 2 &&
    shape(front).length === 3 &&
    shape(front)[0] === channels &&
    shape(front)[2] === sizes[1] * sizes[2] &&
    isZeros(producers.get(behind))
  return isBehind && typeof zeros === 'number' ? { ...found, zeros } : undefined
}

/** How many groups of channels a node takes apart, [groups, channels, positions] as [channels, groups, positions]. */
const inGroups = (node: Node | undefined, shape: Shape) =>
  node?.opType === 'Transpose' &&
  String(intsAttribute(node, 'perm')) === '1,0,2' &&
  typeof shape[0] === 'number'
    ? shape[0]
    : undefined

/** Does the node fill a tensor with zeros? */
function isZeros(node: Node | undefined): boolean {
  const value = node?.attributes.get('value')
  return (
    node?.opType === 'ConstantOfShape' &&
    (value === undefined || (value.type === 'tensor' && toNumbers(value.value)[0] === 0))
  )
}
