import { elements64, type Kernel, tensor64 } from './kernel.ts'

/** Expansion along the first row. */
function determinant(rows: readonly (readonly number[])[]): number {
  const [first = [], ...rest] = rows
  if (rows.length === 0) return 1
  return first.reduce((sum, value, j) => {
    const minor = rest.map((row) => row.filter((_, k) => k !== j))
    return sum + (j % 2 === 0 ? 1 : -1) * value * determinant(minor)
  }, 0)
}

const det: Kernel = (_node, inputs) => {
  const { dims } = inputs[0]!
  const size = dims.at(-1)!
  const data = elements64(inputs, 0)
  const matrix = (start: number) =>
    Array.from({ length: size }, (_, i) =>
      Array.from(data.subarray(start + i * size, start + (i + 1) * size)),
    )
  const count = data.length / (size * size)
  const values = Float64Array.from({ length: count }, (_, k) =>
    determinant(matrix(k * size * size)),
  )
  return [tensor64(dims.slice(0, -2), values)]
}

export const linearAlgebra = { Det: det } satisfies Record<string, Kernel>
