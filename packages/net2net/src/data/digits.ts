/** Data sets of MNIST's form. */
import { inputError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { ArrayDataset } from './dataset.ts'
import type { KnownDataset } from './known-datasets.ts'

/** Images [n, h, w] of bytes and labels [n] as a data set. */
export function digitsDataset(
  images: Tensor,
  labels: Tensor,
  { title, classes }: Pick<KnownDataset, 'title'> & Partial<Pick<KnownDataset, 'classes'>>,
): ArrayDataset {
  const count = images.dims[0]
  if (images.dims.length !== 3 || images.dtype !== 'uint8')
    throw inputError(
      `${title}: the images should be bytes [n, h, w], not ${images.dtype} [${images.dims}].`,
    )
  if (labels.dims.length !== 1 || labels.dims[0] !== count)
    throw inputError(`${title}: there are ${count} images, but labels of shape [${labels.dims}].`)
  const dims = [1, ...images.dims.slice(1)]
  return new ArrayDataset(
    { input: { dtype: 'float32', dims, data: images.data, divisor: 255 } },
    { dtype: 'int32', dims: [], data: labels.data },
    classes,
  )
}
