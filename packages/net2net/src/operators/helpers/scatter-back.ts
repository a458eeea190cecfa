/**
 * Gradients of operators that only pick and move elements: run the operator on the positions
 * 0, 1, 2, … instead of the values, and add every g at the position that it came from.
 *
 * One position may be read several times, so the additions must not overtake each other. ONNX
 * Runtime's ScatterND with reduction = add works on several threads without locks and loses
 * additions (docs/lab/scatternd-race.md); its ScatterElements works on one, in order, so that the
 * bits do not depend on the threads either.
 */
import { elementCount, float32, int64, scalar, Tensor } from '../../tensor/tensor.ts'
import type { Emitter, Placed } from '../contract/gradient.ts'
import { isStatic } from './elements.ts'
import { floatType, ints, shapeOf } from './emission.ts'

/** Zeros of the shape and type of a value. */
export function zerosLike(emitter: Emitter, like: string): string {
  const { shape } = emitter.info(like)
  const zero =
    floatType(emitter, like) === 'float64'
      ? new Tensor('float64', [1], new Float64Array(1))
      : float32([1], [0])
  return emitter.op(
    'ConstantOfShape',
    [isStatic(shape) ? ints(emitter, shape) : shapeOf(emitter, like)],
    { value: zero },
  )
}

/** The value with zeros before and behind it along an axis. */
export function placeAlong(emitter: Emitter, placed: Placed): string {
  const { value, axis, start, end, size } = placed
  if (start === 0 && end === size) return value
  const pads = (count: number) => emitter.info(value).shape!.map((_, k) => (k === axis ? count : 0))
  const padded = emitter.op('Pad', [value, ints(emitter, [...pads(start), ...pads(size - end)])])
  emitter.hint(padded, { placed })
  return padded
}

/**
 * Values that add up to the same as these. Where some are zero but for parts of an axis, as the gradients of slices are, parts
 * that lie beside each other are joined: k slices would take k passes over the whole.
 */
export function joinPlaced(emitter: Emitter, values: readonly string[]): readonly string[] {
  const placed = values.flatMap((value) => emitter.hintOf(value).placed ?? [])
  const [first] = placed
  if (!first || placed.length < 2) return values
  const along = placed.filter(({ axis }) => axis === first.axis)
  const others = values.filter((value) => emitter.hintOf(value).placed?.axis !== first.axis)
  const runs: Placed[] = []
  const starts = [...new Set(along.map(({ start }) => start))].sort((a, b) => a - b)
  for (const start of starts) {
    const here = along.filter((one) => one.start === start)
    const { end } = here[0]!
    // Parts that overlap are added as they are.
    if (here.some((one) => one.end !== end) || along.some((one) => cuts(one, start, end)))
      return values
    runs.push({ ...first, value: sumOfParts(emitter, here), start, end })
  }
  const joined: (readonly Placed[])[] = []
  for (const run of runs) {
    const before = joined.at(-1) ?? []
    if (before.at(-1)?.end === run.start) joined.splice(-1, 1, [...before, run])
    else joined.push([run])
  }
  return [...others, ...joined.map((parts) => placeAlong(emitter, besides(emitter, parts)))]
}

/** Does a part begin or end within [start, end)? */
const cuts = (one: Placed, start: number, end: number): boolean =>
  (one.start > start && one.start < end) || (one.end > start && one.end < end)

function sumOfParts(emitter: Emitter, parts: readonly Placed[]): string {
  const values = parts.map(({ value }) => value)
  return values.length === 1 ? values[0]! : emitter.op('Sum', values)
}

function besides(emitter: Emitter, parts: readonly Placed[]): Placed {
  const [first, last] = [parts[0]!, parts.at(-1)!]
  if (parts.length === 1) return first
  const values = parts.map(({ value }) => value)
  const value = emitter.op('Concat', values, { axis: first.axis })
  return { ...first, value, end: last.end }
}

export type Reduction = 'add' | 'mul' | 'min' | 'max'

/** Adds updates to `data` at indices along one axis, wherever indices repeat (or multiplies, or takes the smallest). */
export const addAt = (
  emitter: Emitter,
  data: string,
  indices: string,
  updates: string,
  axis: number,
  reduction: Reduction = 'add',
): string => emitter.op('ScatterElements', [data, indices, updates], { axis, reduction })

/** The row-major position of every element of a value, in the value's own shape. */
export function positionsOf(emitter: Emitter, value: string): string {
  const { shape } = emitter.info(value)
  if (isStatic(shape)) {
    const count = elementCount(shape)
    if (count <= 65536)
      return emitter.constant(
        int64(
          Array.from({ length: count }, (_, i) => i),
          shape,
        ),
      )
  }
  const flat = emitter.op('Range', [
    emitter.constant(scalar('int64', 0)),
    emitter.op('Size', [value]),
    emitter.constant(scalar('int64', 1)),
  ])
  return emitter.op('Reshape', [flat, shapeOf(emitter, value)])
}

/** The gradient of `input`, where `move` is the operator applied to other data. */
export function scatterBack(
  emitter: Emitter,
  input: string,
  g: string,
  move: (positions: string) => string,
): string {
  return addAtPositions(emitter, zerosLike(emitter, input), move(positionsOf(emitter, input)), g)
}

/** `data` with updates added at these row-major positions of it. */
export function addAtPositions(
  emitter: Emitter,
  data: string,
  positions: string,
  updates: string,
  reduction: Reduction = 'add',
): string {
  const flatten = (value: string) => emitter.op('Reshape', [value, ints(emitter, [-1])])
  const sums = addAt(emitter, flatten(data), flatten(positions), flatten(updates), 0, reduction)
  return emitter.op('Reshape', [sums, shapeOf(emitter, data)])
}
