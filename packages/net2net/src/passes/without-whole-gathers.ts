/**
 * A Gather that picks every entry of a flattened tensor, in order and into its old shape, as the Identity that it is. PyTorch's
 * exporter writes such (`as_strided`) where an average pool meets a permuted image, and computes the positions
 * from the batch: 12·n + c over n and c.
 */
import { intAttribute } from '../model/attributes.ts'
import { linksOf } from '../model/links.ts'
import { type Dim, isStandard, type Model, type Node, type Shape } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { elementsOf } from '../operators/helpers/elements.ts'
import { inferModel } from '../operators/inference.ts'
import { operatorOf } from '../operators/table.ts'
import { elementCount, toNumbers } from '../tensor/tensor.ts'

/** The same function without Gathers of everything; the model itself where it has none. */
export function withoutWholeGathers(model: Model): Model {
  if (!model.graph.nodes.some(({ opType }) => opType === 'Range')) return model
  const positions = new Positions(model)
  const nodes = model.graph.nodes.map((node) => {
    const whole = node.opType === 'Gather' && node.domain === '' ? positions.whole(node) : undefined
    if (whole === undefined) return node
    return { ...node, opType: 'Identity', inputs: [whole], attributes: new Map() }
  })
  return nodes.some((node, i) => node !== model.graph.nodes[i])
    ? { ...model, graph: { ...model.graph, nodes } }
    : model
}

/** Integers that depend on where they stand: start + Σ strideₖ·iₖ, a stride for each axis. */
interface Affine {
  readonly start: number
  readonly strides: readonly number[]
}

/** Longer lists are not looked through. */
const LONGEST = 2 ** 20
/** Chains of nodes longer than this compute something else. */
const DEEPEST = 64

class Positions {
  readonly #values: ReadonlyMap<string, ValueInfo>
  readonly #producers: ReadonlyMap<string, Node>

  constructor(model: Model) {
    this.#values = inferModel(model, { nameSizes: true })
    this.#producers = linksOf(model.graph).producers
  }

  /** The value whose entries a Gather gives back as they are. */
  whole(gather: Node): string | undefined {
    const [data = '', indices = ''] = gather.inputs
    const flatten = this.#producers.get(data)
    if (!flatten || !isStandard(flatten, 'Reshape')) return undefined
    if (intAttribute(gather, 'axis', 0) !== 0) return undefined
    const source = flatten.inputs[0]!
    const shape = this.#shape(source)
    const wanted = this.#shape(indices)
    if (this.#shape(data)?.length !== 1 || !shape || !wanted) return undefined
    const isSame =
      shape.length === wanted.length &&
      shape.every((size, k) => size !== null && size === wanted[k])
    const affine = isSame ? this.#affine(indices, 0) : undefined
    return affine && isRowMajor(affine, shape) ? source : undefined
  }

  #shape(name: string): Shape | undefined {
    return this.#values.get(name)?.shape
  }

  #affine(name: string, depth: number): Affine | undefined {
    const info = this.#values.get(name)
    const node = this.#producers.get(name)
    if (!info?.shape || depth > DEEPEST) return undefined
    if (info.constant) return affineIn(info)
    if (!node || (node.domain !== '' && node.domain !== 'ai.onnx')) return undefined
    const of = (i: number) => this.#affine(node.inputs[i] ?? '', depth + 1)
    const number = (i: number) => this.#number(node.inputs[i] ?? '')
    const rank = info.shape.length
    switch (node.opType) {
      case 'Range': {
        const [start, step] = [number(0), number(2)]
        return start === undefined || step === undefined ? undefined : { start, strides: [step] }
      }
      case 'Identity':
      case 'Cast':
        return of(0)
      case 'Mul': {
        const [factor, other] = [number(0), number(1)]
        if (factor !== undefined) return scaled(of(1), factor, rank)
        return other === undefined ? undefined : scaled(of(0), other, rank)
      }
      case 'Add':
        return sum(of(0), of(1), rank)
      default:
        return this.#moved(node, of(0), info.shape)
    }
  }

  /** Views that put axes of size one in or take them away. */
  #moved(node: Node, affine: Affine | undefined, shape: Shape): Affine | undefined {
    const before = this.#shape(node.inputs[0] ?? '')
    if (!affine || !before || operatorOf(node)?.scaling !== 'view') return undefined
    const large = (sizes: Shape) => sizes.flatMap((size, k) => (size === 1 ? [] : [k]))
    const [from, to] = [large(before), large(shape)]
    // In the same order, with the same sizes: then nothing has moved. A transposition of them would have.
    const isKept =
      from.length === to.length &&
      from.every((axis, i) => before[axis] !== null && before[axis] === shape[to[i]!]) &&
      (from.length < 2 || node.opType !== 'Transpose')
    if (!isKept) return undefined
    const strides = shape.map(() => 0)
    for (const [i, axis] of from.entries()) strides[to[i]!] = affine.strides[axis]!
    return { start: affine.start, strides }
  }

  #number(name: string): number | undefined {
    const info = this.#values.get(name)
    const elements = info && elementsOf(info)
    const [element] = elements ?? []
    return elements?.length === 1 && typeof element === 'number' ? element : undefined
  }
}

function affineIn({ constant }: ValueInfo): Affine | undefined {
  if (!constant || elementCount(constant.dims) > LONGEST) return undefined
  const elements = toNumbers(constant)
  if (elements.length === 0) return undefined
  const sizes = constant.dims.map((_, k) => elementCount(constant.dims.slice(k + 1)))
  const start = elements[0]!
  const strides = constant.dims.map((size, k) => (size > 1 ? elements[sizes[k]!]! - start : 0))
  const isAffine = elements.every((element, at) => {
    const expected = constant.dims.reduce(
      (value, size, k) => value + strides[k]! * (Math.floor(at / sizes[k]!) % size),
      start,
    )
    return element === expected
  })
  return isAffine ? { start, strides } : undefined
}

const aligned = (strides: readonly number[], rank: number): number[] => [
  ...Array<number>(rank - strides.length).fill(0),
  ...strides,
]

const scaled = (affine: Affine | undefined, factor: number, rank: number): Affine | undefined =>
  affine && {
    start: affine.start * factor,
    strides: aligned(affine.strides, rank).map((stride) => stride * factor),
  }

function sum(a: Affine | undefined, b: Affine | undefined, rank: number): Affine | undefined {
  if (!a || !b) return undefined
  const others = aligned(b.strides, rank)
  return {
    start: a.start + b.start,
    strides: aligned(a.strides, rank).map((stride, k) => stride + others[k]!),
  }
}

/** Whether the numbers are 0, 1, 2, … along the axes; the first size may be any. */
function isRowMajor({ start, strides }: Affine, shape: readonly Dim[]): boolean {
  let stride: number | undefined = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!
    if (size === 1) continue
    if (stride === undefined || strides[axis] !== stride) return false
    stride = typeof size === 'number' ? stride * size : undefined
  }
  return start === 0
}
