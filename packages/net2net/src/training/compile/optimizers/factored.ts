/** Means of squares that are kept as their means over rows and columns, outside of a graph: see adafactor.ts. */
import { elementCount, float32, type Tensor } from '../../../tensor/tensor.ts'

/** The whole that they stand for, rows · columns / mean(rows); zeros where nothing has been seen. */
export function squaresOf(rows: Tensor, columns: Tensor): Tensor {
  const height = rows.dims.at(-2)!
  const width = columns.dims.at(-1)!
  const matrices = elementCount(rows.dims) / height
  const whole = new Float32Array(matrices * height * width)
  for (let m = 0; m < matrices; m++) {
    let mean = 0
    for (let i = 0; i < height; i++) mean += Number(rows.data[m * height + i]) / height
    if (mean === 0) continue
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++)
        whole[(m * height + i) * width + j] =
          (Number(rows.data[m * height + i]) * Number(columns.data[m * width + j])) / mean
  }
  return float32([...rows.dims.slice(0, -1), width], whole)
}

/** The means over the last axis or the one before, which is kept with size 1. */
export function meanOver({ dims, data }: Tensor, axis: -1 | -2): Tensor {
  const size = dims.at(axis)!
  const inner = axis === -1 ? 1 : dims.at(-1)!
  const result = new Float32Array(data.length / size)
  for (let i = 0; i < data.length; i++)
    result[Math.floor(i / (size * inner)) * inner + (i % inner)]! += Number(data[i]) / size
  return float32(dims.with(axis, 1), result)
}
