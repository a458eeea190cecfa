/**
 * A matrix times what lies behind one another in images: the planes of volumes, or the groups of their channels (`../../operators/decompositions/volume-planes.ts`).
 * It does not matter in which order the elements of these lie, so that images in blocks are multiplied as they are.
 */
import type { Links } from '../../model/links.ts'
import { isStandard, type Node } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { viewed } from './views.ts'

export interface PlaneProduct {
  readonly matrix: string
  /** [·, C, H, W]. */
  readonly image: string
  /** What is multiplied: lines [-1, lines, elements]. */
  readonly lines: number
  readonly elements: number
}

/** The product whose result a node gives as images, in whole blocks like those that are multiplied. */
export function planeProductOf(
  node: Node,
  { producers }: Links,
  infos: ReadonlyMap<string, ValueInfo>,
  block: number,
): PlaneProduct | undefined {
  if (!isStandard(node, 'Reshape')) return undefined
  const sizesOf = (name: string) => infos.get(name)?.shape ?? []
  const product = producers.get(viewed(node.inputs[0]!, producers))
  if (!product || !isStandard(product, 'MatMul')) return undefined
  const [matrix = '', factor = ''] = product.inputs
  const [, lines, elements] = sizesOf(factor)
  const image = viewed(factor, producers, (name) => sizesOf(name).length === 4)
  const [given, taken] = [sizesOf(node.outputs[0]!), sizesOf(image)]
  const [, , height, width] = taken
  const { dtype, constant } = infos.get(matrix) ?? {}
  if (dtype !== 'float32' || !constant || sizesOf(factor).length !== 3) return undefined
  if (![lines, elements, height, width].every((size) => typeof size === 'number')) return undefined
  const channels = (elements as number) / ((height as number) * (width as number))
  const isWhole = [given, taken].every(
    (shape) =>
      shape.length === 4 &&
      (shape[1] as number) % channels === 0 &&
      shape[2] === height &&
      shape[3] === width,
  )
  return isWhole && channels % block === 0
    ? { matrix, image, lines: lines as number, elements: elements as number }
    : undefined
}
