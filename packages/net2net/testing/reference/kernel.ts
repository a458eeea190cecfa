/**
 * Float64 kernels for operators that ONNX Runtime's CPU build has in float32 only. Written for
 * clarity, from the operators' definitions; tests compare everything else with them.
 */
import type { Node } from '../../src/model/model.ts'
import { elementCount, Tensor } from '../../src/tensor/tensor.ts'

/** Takes the values of a node's inputs (undefined: omitted), gives those of its outputs. */
export type Kernel = (node: Node, inputs: readonly (Tensor | undefined)[]) => readonly Tensor[]

export const tensor64 = (dims: readonly number[], data: Float64Array): Tensor =>
  new Tensor('float64', dims, data)

export const zeros64 = (dims: readonly number[]): Tensor<'float64'> =>
  new Tensor('float64', dims, new Float64Array(elementCount(dims)))

/** The elements of input i, which must be given, as float64. */
export function elements64(inputs: readonly (Tensor | undefined)[], i: number): Float64Array {
  const data = inputs[i]?.data
  if (!(data instanceof Float64Array)) throw new Error(`Input ${i} is not a float64 tensor.`)
  return data
}

export const stridesOf = (dims: readonly number[]): number[] =>
  dims.map((_, axis) => elementCount(dims.slice(axis + 1)))

/** Every index of a tensor of these dimensions, row-major. The array is reused. */
export function* indices(dims: readonly number[]): Generator<readonly number[]> {
  const index = dims.map(() => 0)
  if (dims.some((dim) => dim === 0)) return
  for (;;) {
    yield index
    let axis = dims.length - 1
    while (axis >= 0 && ++index[axis]! === dims[axis]) index[axis--] = 0
    if (axis < 0) return
  }
}

/** Element-wise kernels from functions of one number. */
export const unary =
  (f: (x: number, node: Node) => number): Kernel =>
  (node, inputs) => [
    tensor64(
      inputs[0]!.dims,
      elements64(inputs, 0).map((x) => f(x, node)),
    ),
  ]

/** numpy's broadcasting of two or more shapes. */
export function broadcastDims(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((dims) => dims.length))
  return Array.from({ length: rank }, (_, axis) => {
    let size = 1
    for (const dims of shapes) {
      const own = dims[axis - rank + dims.length] ?? 1
      if (own !== 1) size = own
    }
    return size
  })
}

/** Element-wise kernels from functions of several numbers, with numpy's broadcasting. */
export const broadcast =
  (f: (values: readonly number[]) => number): Kernel =>
  (_node, inputs) => {
    const given = inputs.map((input) => input!)
    const dims = broadcastDims(...given.map((input) => input.dims))
    const result = zeros64(dims)
    const all = given.map((input) => ({
      data: input.data as ArrayLike<number>,
      strides: stridesOf(input.dims).map((stride, axis) => (input.dims[axis] === 1 ? 0 : stride)),
      skip: dims.length - input.dims.length,
    }))
    let position = 0
    for (const index of indices(dims)) {
      result.data[position++] = f(
        all.map(({ data, strides, skip }) => {
          let offset = 0
          strides.forEach((stride, axis) => {
            offset += stride * index[axis + skip]!
          })
          return data[offset]!
        }),
      )
    }
    return [result]
  }
