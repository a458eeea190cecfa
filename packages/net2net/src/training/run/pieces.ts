/** Samples that are read together, and run a few at a time. */
import { elementCount, type NumericDType, Tensor } from '../../tensor/tensor.ts'

/** What cuts tensors into pieces of so many rows, the last one with what is left. Pieces share the tensor's memory. */
export function piecesOfRows(size: number): (tensor: Tensor) => readonly Tensor[] {
  // Data sets use the same tensors again and again.
  const known = new WeakMap<Tensor, readonly Tensor[]>()
  return (tensor) => {
    let pieces = known.get(tensor)
    if (!pieces) {
      pieces = cut(tensor, size)
      known.set(tensor, pieces)
    }
    return pieces
  }
}

function cut({ dtype, dims: [rows = 0, ...dims], data }: Tensor, size: number): readonly Tensor[] {
  const each = elementCount(dims)
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => {
    const end = Math.min(rows, (i + 1) * size)
    const piece = data.subarray(i * size * each, end * each)
    return new Tensor<NumericDType>(dtype, [end - i * size, ...dims], piece)
  })
}
