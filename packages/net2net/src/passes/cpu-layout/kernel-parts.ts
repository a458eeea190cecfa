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

/** Does ONNX Runtime take so many channels of an image? Fewer than a block are in none, and more have to be whole ones. */
export const areTaken = (channels: number, block: number): boolean =>
  channels < block || channels % block === 0

/** As how many channels so many images are taken: the fewest whose parts stay in the cache, or the most that there may be. */
export function countOfParts(images: number, kernels: KernelImages, block: number): number {
  const { rows, columns, groups, filters } = kernels
  const bytes = 4 * rows * columns * (Math.min(filters, filterBlocks * block) + block)
  let most = 1
  for (let count = 1; count < block; count++) {
    if (images % count !== 0 || !areTaken(groups * count, block)) continue
    most = count
    if ((images / count) * bytes <= mostBytes) break
  }
  return most
}

/**
 * What gives the sizes that follow from the number of parts, as a value of the graph: int64.
 *
 * @param batch int64 [1], of the batch that the kernels' images have
 */
export function sizesByParts(
  context: BlockedEmitter,
  kernels: KernelImages,
  batch: () => string,
): (sizes: (parts: number) => readonly number[]) => string {
  const countOf = (images: number) => countOfParts(images, kernels, context.block)
  const open = typeof kernels.batch === 'number' ? [] : range(largestBatch + 1, 1).map(countOf)
  const known = typeof kernels.batch === 'number' ? countOf(kernels.batch) : 1
  if (open.every((count) => count === known))
    return (sizes) => context.constantOf(int64(sizes(known)))
  // Of no images, and of more than the table has, there is one part.
  const counts = [1, ...open, 1]
  const last = context.constantOf(int64([counts.length - 1]))
  const [images = ''] = context.emit('Min', [batch(), last])
  const [index = ''] = context.emit('Squeeze', [images])
  return (sizes) => {
    const rows = counts.map(sizes)
    const table = context.constantOf(int64(rows.flat(), [rows.length, rows[0]!.length]))
    return context.emit('Gather', [table, index])[0]!
  }
}
