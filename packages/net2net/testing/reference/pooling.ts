import { intAttribute } from '../../src/model/attributes.ts'
import { elementCount } from '../../src/tensor/tensor.ts'
import { elements64, indices, type Kernel, tensor64, zeros64 } from './kernel.ts'
import { windowsOf } from './windows.ts'

/** A pool: folds the values of each window. `padded` counts the positions in the padding too. */
const pool =
  (
    fold: (values: readonly number[], padded: number, node: Parameters<Kernel>[0]) => number,
  ): Kernel =>
  (node, inputs) => {
    const xs = elements64(inputs, 0)
    const [batch = 0, channels = 0, ...space] = inputs[0]!.dims
    const windows = windowsOf(node, space)
    const y = zeros64([batch, channels, ...windows.output])
    const area = elementCount(space)
    let position = 0
    for (const [n = 0, c = 0, ...o] of indices(y.dims)) {
      const values: number[] = []
      let padded = 0
      for (const k of indices(windows.kernel)) {
        const at = o.map(
          (oa, a) => oa * windows.strides[a]! - windows.begins[a]! + k[a]! * windows.dilations[a]!,
        )
        // Windows that ceil_mode lets hang over the end padding do not count what hangs over.
        if (at.every((p, a) => p < space[a]! + windows.ends[a]!)) padded++
        if (at.some((p, a) => p < 0 || p >= space[a]!)) continue
        const offset = at.reduce((total, p, a) => total * space[a]! + p, 0)
        values.push(xs[(n * channels + c) * area + offset]!)
      }
      y.data[position++] = fold(values, padded, node)
    }
    return [y]
  }

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

const globalPool =
  (fold: (values: Float64Array, node: Parameters<Kernel>[0]) => number): Kernel =>
  (node, inputs) => {
    const xs = elements64(inputs, 0)
    const [batch = 0, channels = 0, ...space] = inputs[0]!.dims
    const area = elementCount(space)
    const data = Float64Array.from({ length: batch * channels }, (_, i) =>
      fold(xs.subarray(i * area, (i + 1) * area), node),
    )
    return [tensor64([batch, channels, ...space.map(() => 1)], data)]
  }

const norm = (values: Iterable<number>, p: number) => {
  let total = 0
  for (const value of values) total += Math.abs(value) ** p
  return total ** (1 / p)
}

export const pools = {
  AveragePool: pool(
    (values, padded, node) =>
      sum(values) / (intAttribute(node, 'count_include_pad', 0) === 1 ? padded : values.length),
  ),
  LpPool: pool((values, _padded, node) => norm(values, intAttribute(node, 'p', 2))),
  GlobalAveragePool: globalPool((values) => sum([...values]) / values.length),
  GlobalMaxPool: globalPool((values) => Math.max(...values)),
  GlobalLpPool: globalPool((values, node) => norm(values, intAttribute(node, 'p', 2))),
} satisfies Record<string, Kernel>
