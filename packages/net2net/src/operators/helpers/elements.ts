/**
 * Small integer tensors that hold sizes, element by element: the chains of Shape, Gather, Mul and
 * Concat by which exporters compute the target of a Reshape. Inference follows numbers and symbols
 * through them; axis-elements.ts follows which axis an element is the size of.
 */
import type { Dim, Shape } from '../../model/model.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { elementCount, type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import type { InferContext, ValueInfo } from '../contract/infer.ts'

/** Tensors with more elements than this are data, not sizes. */
export const MAX_ELEMENTS = 256

/** No tensor has more axes than this: a longer list is no shape. */
const MAX_RANK = 64

/** A shape of which only the rank is known. */
export const unknownShape = (rank: number): Shape | undefined =>
  rank <= MAX_RANK ? Array<Dim>(rank).fill(null) : undefined

const cache = new WeakMap<LazyTensor, readonly number[] | null>()

/** The elements of a small constant (integers, booleans, and single precision and double). */
export function constantElements(tensor: LazyTensor): readonly number[] | undefined {
  let elements = cache.get(tensor)
  if (elements === undefined) {
    const { kind, bits } = dtypes[tensor.dtype]
    const readable =
      bits >= 8 && (kind === 'integer' || kind === 'boolean' || (kind === 'float' && bits >= 32))
    elements = readable && elementCount(tensor.dims) <= MAX_ELEMENTS ? toNumbers(tensor) : null
    cache.set(tensor, elements)
  }
  return elements ?? undefined
}

/** What is known of a value's elements: by propagation, or because it is a small constant. */
export const elementsOf = (info: ValueInfo): readonly Dim[] | undefined =>
  info.elements ?? (info.constant === undefined ? undefined : constantElements(info.constant))

/** The elements of input i if all of them are numbers. */
export function numbers(context: InferContext, i: number): readonly number[] | undefined {
  const elements = context.has(i) ? context.elements(i) : undefined
  return elements?.every((element) => typeof element === 'number')
    ? (elements as readonly number[])
    : undefined
}

/** Is the shape known to the last number? */
export const isStatic = (shape: Shape | undefined): shape is readonly number[] =>
  shape?.every((dim) => typeof dim === 'number') ?? false

/** For each element of the broadcast result, the flat positions in two small operands. */
function pairs(a: number, b: number): readonly (readonly [number, number])[] | undefined {
  if (a !== b && a !== 1 && b !== 1) return undefined
  return Array.from({ length: a === 1 ? b : a }, (_, i) => [a === 1 ? 0 : i, b === 1 ? 0 : i])
}

/** Applies `join` to the elements of two operands that are scalars or vectors. */
export function zipElements<T, R>(
  a: readonly T[] | undefined,
  b: readonly T[] | undefined,
  ranks: readonly [number | undefined, number | undefined],
  join: (a: T, b: T, positions: readonly [number, number]) => R,
): readonly R[] | undefined {
  if (a === undefined || b === undefined || (ranks[0] ?? 2) > 1 || (ranks[1] ?? 2) > 1)
    return undefined
  return pairs(a.length, b.length)?.map(([i, j]) => join(a[i]!, b[j]!, [i, j]))
}

/** An operation on two elements; `numbers` decides, the rest says what symbols allow. */
export interface ElementOperation {
  readonly numbers: (a: number, b: number) => number
  /** The number e with `e ∘ x = x` (left) or `x ∘ e = x` (right). */
  readonly neutralLeft?: number
  readonly neutralRight?: number
  /** Result of two equal symbols (Sub: 0, Div: 1, Max: the symbol itself). */
  readonly equalSymbols?: number | 'itself'
  /** Result for a positive size, whatever it is, and this number, where there is one. */
  readonly anySize?: (value: number) => number | undefined
  /** Result where a symbol takes part, if there is one. */
  readonly symbols?: (a: Dim, b: Dim) => Dim
  /** What it makes of sizes of axes. */
  readonly sizes?: 'product' | 'sum' | 'quotient' | 'difference'
}

export function joinDims(operation: ElementOperation, a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return operation.numbers(a, b)
  if (a === operation.neutralLeft) return b
  if (b === operation.neutralRight) return a
  const number = typeof a === 'number' ? a : typeof b === 'number' ? b : undefined
  const certain =
    a === null || b === null || number === undefined ? undefined : operation.anySize?.(number)
  if (certain !== undefined) return certain
  if (typeof a === 'string' && a === b && operation.equalSymbols !== undefined)
    return operation.equalSymbols === 'itself' ? a : operation.equalSymbols
  return operation.symbols?.(a, b) ?? null
}

/** The elements of input i, moved by a rule that only rearranges (Gather, Slice, Transpose …). */
export function moveElements<T>(
  elements: readonly T[] | undefined,
  from: () => readonly number[] | undefined,
): readonly T[] | undefined {
  if (elements === undefined) return undefined
  const positions = from()
  return positions?.every((position) => position in elements)
    ? positions.map((position) => elements[position]!)
    : undefined
}

/** One axis of a result whose entries are evenly spaced entries of the source. */
export interface GridAxis {
  readonly start: number
  readonly step: number
  readonly length: number
  /** Distance of neighbouring entries of this axis in the row-major source. */
  readonly stride: number
}

/** The source positions of a result with these axes, row-major: transposed and sliced tensors. */
export function gridPositions(axes: readonly GridAxis[]): readonly number[] {
  let positions = [0]
  for (const { start, step, length, stride } of axes)
    positions = positions.flatMap((base) =>
      Array.from({ length }, (_, k) => base + (start + k * step) * stride),
    )
  return positions
}
