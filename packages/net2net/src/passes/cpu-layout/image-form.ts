/** How values of another rank are held as images. */
import { stringAttribute } from '../../model/attributes.ts'
import { isStandard, type Node } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import { toNumbers } from '../../tensor/tensor.ts'

/** What is held as images. */
export interface ImageForm {
  /** The rank of the values, batch and channels included. */
  readonly rank: number
  /** Is a value several images, whose batch is no longer that of the values? */
  readonly isApart: boolean
  /** Is it a convolution in blocks of channels if its values are images? */
  isBlocked(emitter: Emitter, node: Node, block: number): boolean
  toImage(emitter: Emitter, value: string): string
  /** The node, without its outputs, that gives the value back whose sizes are those of `like`. */
  fromImage(
    emitter: Emitter,
    image: string,
    like: string,
  ): Pick<Node, 'opType' | 'inputs'> & {
    readonly entries?: Readonly<Record<string, readonly number[]>>
  }
  /** What a node gives that moves nothing of the image of its input; undefined for others. */
  unmoved(emitter: Emitter, node: Node, image: string): string | undefined
  /** The convolution of images. */
  convolve(emitter: Emitter, node: Node, image: string): string
  /** What is repeated along the other axes: a number for each channel, or of signals for each place as well. */
  toOperand(emitter: Emitter, value: string): string | undefined
}

/** The sizes of the weight of a convolution of float32 numbers whose spatial sizes are known. */
export function sizesOf(emitter: Emitter, node: Node, rank: number): readonly number[] | undefined {
  if (!isStandard(node, 'Conv')) return undefined
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined
  const [x, weight] = [0, 1].map((i) => emitter.info(node.inputs[i] ?? ''))
  if (x?.dtype !== 'float32' || x.shape?.length !== rank) return undefined
  const known = [...x.shape.slice(2), ...(weight?.shape ?? [null])]
  return known.every((dim) => typeof dim === 'number')
    ? (weight!.shape as readonly number[])
    : undefined
}

/** Axes that are given as a constant. */
export function axesOf(emitter: Emitter, node: Node): readonly number[] | undefined {
  const { constant } = emitter.info(node.inputs[1] ?? '')
  return constant && [...toNumbers(constant)].map(Number)
}
