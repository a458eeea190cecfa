/** Small vocabulary for gradient rules: constants of the right type, shapes, reductions. */
import { refusedError } from '../../errors.ts'
import type { Dim, Node } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import type { DType } from '../../tensor/dtype.ts'
import { fillTensor, ones } from '../../tensor/fill.ts'
import { elementCount, float32, int64, scalar, Tensor } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'

export const ints = (emitter: Emitter, values: readonly number[]): string =>
  emitter.constant(int64(values))

/** A scalar of the same element type as the value `like`. */
export const numberLike = (emitter: Emitter, like: string, value: number): string =>
  emitter.constant(scalar(floatType(emitter, like), value))

/** A tensor of the same element type as `like`. */
export function tensorLike(
  emitter: Emitter,
  like: string,
  dims: readonly number[],
  values: readonly number[],
): string {
  const dtype = floatType(emitter, like)
  return emitter.constant(
    dtype === 'float64'
      ? new Tensor('float64', dims, Float64Array.from(values))
      : new Tensor('float32', dims, Float32Array.from(values)),
  )
}

export const onesLike = (emitter: Emitter, like: string, dims: readonly number[]): string =>
  emitter.constant(fillTensor(ones, floatType(emitter, like), dims, 0))

/** Gradients are computed in float32, or float64 where the model is. */
export function floatType(emitter: Emitter, like: string): 'float32' | 'float64' {
  const dtype: DType | undefined = emitter.info(like).dtype
  if (dtype === undefined || dtype === 'float32' || dtype === 'float64') return dtype ?? 'float32'
  throw refusedError(`Training in ${dtype} is not supported; "${like}" has that type.`, {
    where: like,
    hint: 'Convert the model to float32 first.',
  })
}

/** Reduces over the axes; all of them if none is given would surprise, so an empty list is none. */
export const reduce = (
  emitter: Emitter,
  kind: 'Sum' | 'Mean' | 'Max',
  value: string,
  axes: readonly number[],
  keepDims: boolean,
): string =>
  axes.length === 0
    ? value
    : emitter.op(`Reduce${kind}`, [value, ints(emitter, axes)], { keepdims: keepDims ? 1 : 0 })

export const transpose = (emitter: Emitter, value: string, order: readonly number[]): string =>
  order.every((axis, i) => axis === i) ? value : emitter.op('Transpose', [value], { perm: order })

/** Adds axes of size one, at these positions of the result. */
export const unsqueeze = (emitter: Emitter, value: string, axes: readonly number[]): string =>
  axes.length === 0 ? value : emitter.op('Unsqueeze', [value, ints(emitter, axes)])

/** A vector [n] as [1, n, 1, …] for values of this rank. */
export const perChannel = (emitter: Emitter, vector: string, rank: number): string =>
  unsqueeze(
    emitter,
    vector,
    Array.from({ length: rank - 1 }, (_, i) => (i === 0 ? 0 : i + 1)),
  )

export const shapeOf = (emitter: Emitter, value: string, start = 0, end?: number): string =>
  emitter.op('Shape', [value], { start, end })

/** A size of the result: a number, `-1`, or the size of axis `axis` of `of` when the graph runs. */
export type TargetSize = number | { readonly of: string; readonly axis: number }

/** Reshapes; sizes that are known are written down, the others are looked up when it runs. */
export function reshape(emitter: Emitter, value: string, sizes: readonly TargetSize[]): string {
  const known = sizes.map((size) => knownSize(emitter, size))
  const unknown = known.filter((size) => size === undefined).length
  if (unknown === 1 && !known.includes(-1))
    return emitter.op('Reshape', [
      value,
      ints(
        emitter,
        known.map((size) => size ?? -1),
      ),
    ])
  return emitter.op('Reshape', [value, sizesOf(emitter, sizes)])
}

function knownSize(emitter: Emitter, size: TargetSize): number | undefined {
  if (typeof size === 'number') return size
  const dim = emitter.info(size.of).shape?.[size.axis]
  return typeof dim === 'number' ? dim : undefined
}

/** The sizes as a tensor: a constant where all are known. */
function sizesOf(emitter: Emitter, sizes: readonly TargetSize[]): string {
  const known = sizes.map((size) => knownSize(emitter, size))
  if (known.every((size) => size !== undefined)) return ints(emitter, known)
  const parts = sizes.map((size, i) =>
    typeof size === 'number' || known[i] !== undefined
      ? ints(emitter, [known[i]!])
      : shapeOf(emitter, size.of, size.axis, size.axis + 1),
  )
  return emitter.op('Concat', parts, { axis: 0 })
}

/** A float32 tensor of one number: a constant where the sizes are known, else filled when it runs. */
export function filled(emitter: Emitter, sizes: readonly TargetSize[], value: number): string {
  const known = sizes.map((size) => knownSize(emitter, size))
  return known.every((size) => size !== undefined)
    ? emitter.constant(float32(known, new Float32Array(elementCount(known)).fill(value)))
    : emitter.op('ConstantOfShape', [sizesOf(emitter, sizes)], { value: float32([1], [value]) })
}

/** Σ_p a[n, i, p] · b[n, j, p]: [N, I, J], by ONNX Runtime's product with a transposed factor. */
export function batchedProduct(emitter: Emitter, a: string, b: string): string {
  const { dtype, shape } = emitter.info(a)
  const infos = [{ dtype, shape: [shape![0]!, shape![1]!, emitter.info(b).shape![1]!] }]
  const options = { domain: 'com.microsoft', infos }
  return emitter.emit('FusedMatMul', [a, b], { transB: 1 }, options)[0]!
}

/** Reshapes to the shape that another value has. */
export function reshapeLike(emitter: Emitter, value: string, like: string): string {
  const shape = emitter.info(like).shape
  return shape
    ? reshape(
        emitter,
        value,
        shape.map((_, axis) => ({ of: like, axis })),
      )
    : emitter.op('Reshape', [value, shapeOf(emitter, like)])
}

/** The elements [start, end) along the axes. */
export const slice = (
  emitter: Emitter,
  value: string,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  steps?: readonly number[],
): string =>
  emitter.op('Slice', [
    value,
    ints(emitter, starts),
    ints(emitter, ends),
    ints(emitter, axes),
    ...(steps ? [ints(emitter, steps)] : []),
  ])

/** What the contexts of gradient and training rules have in common. */
type NodeEmitter = Emitter & { readonly node: Node }

/** The shape of an input of known rank; refuses the node otherwise. */
export function knownShape(context: NodeEmitter, name: string): readonly Dim[] {
  const shape = context.info(name).shape
  if (shape) return shape
  throw cannotDifferentiate(context, `the rank of "${name}" is not known`)
}

/** Sizes that must be numbers for the gradient; refuses the node otherwise. */
export function knownSizes(
  context: NodeEmitter,
  dims: readonly Dim[],
  what: string,
): readonly number[] {
  if (dims.every((dim) => typeof dim === 'number')) return dims as readonly number[]
  throw cannotDifferentiate(context, `${what} (${dims.join(' × ')}) are not known`)
}

export const cannotDifferentiate = (context: NodeEmitter, reason: string) =>
  refusedError(`The gradient of ${describeNode(context.node)} cannot be built: ${reason}.`, {
    where: describeNode(context.node),
  })

/** A node that gives a value another name: how a rule puts what it emitted in a node's place. */
export const copyTo = (output: string, value: string): Node => ({
  name: output,
  opType: 'Identity',
  domain: '',
  inputs: [value],
  outputs: [output],
  attributes: new Map(),
})

export const range = (end: number, start = 0): number[] =>
  Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i)
