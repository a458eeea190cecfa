/**
 * Parts of tall kernels (`tall-kernels.ts`). A convolution reads its kernel again for every few outputs, and one that is as tall as all images of a batch
 * together leaves the second-level cache. The images are taken as several channels, which ONNX Runtime computes one after the other and adds up: no number moves.
 */
import type { Dim } from '../../model/model.ts'
import type { BlockedEmitter } from '../../operators/contract/facets.ts'
import { range } from '../../operators/helpers/emission.ts'
import { int64 } from '../../tensor/tensor.ts'

/** What a part may take, in bytes: processors have second-level caches of 0.5 to 2 MiB for each core. */
const mostBytes = 800 * 1024

/** Blocks of filters that ONNX Runtime computes at once. */
const filterBlocks = 4

/** Larger batches are not taken apart where a model leaves its batch open. */
const largestBatch = 1024

/** Kernels of images that lie below each other. */
export interface KernelImages {
  readonly batch: Dim
  /** Of each image, with the zeros behind it. */
  readonly rows: number
  readonly columns: number
  readonly groups: number
  /** Of each group. */
  readonly filters: number
}

/** As how many channels so many images are taken: the fewest whose parts stay in the cache, or the most that there may be. */
export function countOfParts(images: number, kernels: KernelImages, block: number): number {
  const { rows, columns, groups, filters } = kernels
  const bytes = 4 * rows * columns * (Math.min(filters, filterBlocks * block) + block)
  // So few channels are in no blocks; ONNX Runtime has none but whole blocks of more.
  const isTaken = (channels: number) => channels < block || channels % block === 0
  const counts = range(block, 1).filter((count) => images % count === 0 && isTaken(groups * count))
  return counts.find((count) => (images / count) * bytes <= mostBytes) ?? counts.at(-1) ?? 1
}

/**
 * The sizes that a number of parts gives, as a value of the graph: int64.
 *
 * @param batch int64 [1], of the batch that the kernels' images have
 */
export function sizesByParts(
  context: BlockedEmitter,
  kernels: KernelImages,
  batch: () => string,
  sizes: (parts: number) => readonly number[],
): string {
  const ofImages = (images: number) => sizes(countOfParts(images, kernels, context.block))
  if (typeof kernels.batch === 'number') return context.constantOf(int64(ofImages(kernels.batch)))
  const one = sizes(1)
  const rows = [one, ...range(largestBatch + 1, 1).map(ofImages), one]
  if (rows.every((row) => row.join() === one.join())) return context.constantOf(int64(one))
  const last = context.constantOf(int64([rows.length - 1]))
  const [images = ''] = context.emit('Min', [batch(), last])
  const [index = ''] = context.emit('Squeeze', [images])
  const table = context.constantOf(int64(rows.flat(), [rows.length, one.length]))
  return context.emit('Gather', [table, index])[0]!
}
