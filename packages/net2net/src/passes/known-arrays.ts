/**
 * What nodes compute from numbers that are known before a model runs, and from an image of which only the places are known: each element
 * is then a weighted sum of the image's positions. Exporters write indices, masks and counts that depend on sizes alone as
 * nodes, which compute the same in every step.
 *
 * An axis that is kept (the batch, the channels) has a negative size: the elements are the same for each of its entries.
 */
import { intAttribute, intsAttribute } from '../model/attributes.ts'
import type { Dim, Node } from '../model/model.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { broadcastDim } from '../operators/helpers/broadcast.ts'
import { elementsOf, gridPositions, isStatic } from '../operators/helpers/elements.ts'
import { range } from '../operators/helpers/emission.ts'
import { axisPosition } from '../operators/helpers/shapes.ts'
import type { DType } from '../tensor/dtype.ts'
import { elementCount, toNumbers } from '../tensor/tensor.ts'

/** A sum of weighted positions: a list that longer ones share. */
export interface Terms {
  readonly at: number
  readonly weight: number
  readonly rest: Terms | undefined
  readonly length: number
}

/** A sum of no positions is 0, and what is no such sum is NaN. */
type Element = number | Terms

export interface KnownArray {
  readonly dims: readonly number[]
  /** Row-major. */
  readonly elements: readonly Element[]
}

/** How types store a number. What is of any other type is not known. */
const stored: Readonly<Partial<Record<DType, (value: number) => number>>> = {
  float32: Math.fround,
  float64: (value) => value,
  int32: (value) => Math.trunc(value),
  int64: (value) => Math.trunc(value),
  bool: (value) => Number(value !== 0),
}
/** Whole numbers beyond these bounds would have to wrap around. */
const largest: Readonly<Partial<Record<DType, number>>> = {
  int32: 2 ** 31 - 1,
  int64: Number.MAX_SAFE_INTEGER,
}

/** Larger tensors are not followed. */
const mostElements = 2 ** 20
/** Nor are more elements and terms than these in one model. */
const mostInAll = 2 ** 22
/** Nor are longer chains of nodes: each takes its place on the stack. */
const deepest = 256

/** Operators that compute each element by itself. */
const ofNumbers: Readonly<Record<string, (...operands: number[]) => number>> = {
  Abs: Math.abs,
  Neg: (a) => -a,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Sign: Math.sign,
  Not: (a) => 1 - a,
  Min: Math.min,
  Max: Math.max,
  And: Math.min,
  Or: Math.max,
  Equal: (a, b) => Number(a === b),
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
}

type Join = (...operands: Element[]) => Element

/** What files call an operator may be the name of anything. */
const entry = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined

const isNumbers = (elements: readonly Element[]): elements is readonly number[] =>
  elements.every((element) => typeof element === 'number')

const shown = (dims: readonly number[]): readonly number[] =>
  dims.map((size) => (size < 0 ? 1 : size))

const strides = (dims: readonly number[]): readonly number[] =>
  dims.map((_, k) => elementCount(shown(dims.slice(k + 1))))

/** Where the elements of axes of these sizes lie, which are these steps apart. */
const positions = (dims: readonly number[], steps: readonly number[]): readonly number[] =>
  gridPositions(shown(dims).map((length, k) => ({ start: 0, step: 1, length, stride: steps[k]! })))

/** The sizes that all of these are repeated to. */
function broadcast(shapes: readonly (readonly number[])[]): readonly number[] | undefined {
  const rank = Math.max(...shapes.map(({ length }) => length))
  const sizes = range(rank).map((k) =>
    shapes
      .map((dims) => dims[k - rank + dims.length] ?? 1)
      .reduce<Dim | undefined>((a, b) => (a === undefined ? a : broadcastDim(a, b)), 1),
  )
  return sizes.every((size) => typeof size === 'number') ? sizes : undefined
}

/** Positions of an array's elements where it is repeated to larger sizes. */
const repeated = (own: readonly number[], dims: readonly number[]): readonly number[] => {
  const steps = strides(own)
  const missing = dims.length - own.length
  return positions(
    dims,
    dims.map((_, k) => (shown(own)[k - missing] === dims[k] ? steps[k - missing]! : 0)),
  )
}

/** What a node that only moves elements sees. */
interface Moving {
  readonly node: Node
  /** Its inputs that hold elements. */
  readonly data: readonly KnownArray[]
  readonly x: KnownArray
  /** Numbers of an input; undefined where there is none. */
  readonly list: (i: number) => readonly number[] | undefined
  /** The sizes of an input that holds numbers. */
  readonly dims: (i: number) => readonly number[] | undefined
  readonly before: ValueInfo
  readonly after: ValueInfo
}
/** Which element of the input is where; in their order where nothing is said. */
type Moved = { readonly dims: readonly number[]; readonly from?: readonly number[] } | undefined

const same = ({ x }: Moving): Moved => ({ dims: x.dims })

const wrapped = (index: number, size: number): number =>
  index >= -size && index < size ? (index < 0 ? index + size : index) : Number.NaN

/** Operators that move elements. Axes that are kept stay whole. */
const moves: Readonly<Record<string, (moving: Moving) => Moved>> = {
  Identity: same,
  Cast: same,
  CastLike: same,
  Transpose: ({ node, x }) => {
    const order = intsAttribute(node, 'perm') ?? range(x.dims.length).reverse()
    const dims = order.map((axis) => x.dims[axis]!)
    const steps = strides(x.dims)
    const from = positions(
      dims,
      order.map((axis) => steps[axis]!),
    )
    return { dims, from }
  },
  Unsqueeze: ({ x, list }) => {
    const added = list(1) ?? []
    const rank = x.dims.length + added.length
    const at = new Set(added.map((axis) => axisPosition(axis, rank)))
    const own = x.dims.values()
    return { dims: range(rank).map((axis) => (at.has(axis) ? 1 : own.next().value!)) }
  },
  Squeeze: ({ x, list }) => {
    const gone = list(1)?.map((axis) => axisPosition(axis, x.dims.length))
    const isGone = (size: number, axis: number) => (gone ? gone.includes(axis) : size === 1)
    // Without axes, those that are kept are gone where they are of size one.
    const isRight = x.dims.every(
      (size, axis) => size === 1 || (!isGone(size, axis) && (gone || size > 0)),
    )
    return isRight ? { dims: x.dims.filter((size, axis) => !isGone(size, axis)) } : undefined
  },
  Reshape: ({ x, before, after }) => {
    const kept = x.dims.filter((size) => size < 0).length
    const rest = after.shape?.slice(kept)
    const isKept = range(kept).every(
      (k) => x.dims[k]! < 0 && after.shape?.[k] === (before.shape?.[k] ?? undefined),
    )
    const isSame = isKept && isStatic(rest) && elementCount(rest) === x.elements.length
    return isSame ? { dims: [...x.dims.slice(0, kept), ...rest] } : undefined
  },
  Expand: ({ x, list }) => {
    const target = list(1)
    const dims = target && broadcast([x.dims, target])
    return dims && { dims, from: repeated(x.dims, dims) }
  },
  Concat: ({ node, data, x }) => {
    const axis = axisPosition(intAttribute(node, 'axis', 0), x.dims.length)
    const sizes = data.map(({ dims }) => dims[axis]!)
    const isRight = data.every(({ dims }) => `${dims.with(axis, 0)}` === `${x.dims.with(axis, 0)}`)
    if (!isRight || sizes.some((size) => size < 0)) return undefined
    const outer = range(elementCount(shown(x.dims.slice(0, axis))))
    let offset = 0
    const blocks = data.map(({ dims, elements }) => {
      const block = { start: offset, length: elementCount(shown(dims.slice(axis))) }
      offset += elements.length
      return block
    })
    const from = outer.flatMap((o) =>
      blocks.flatMap(({ start, length }) => range(start + (o + 1) * length, start + o * length)),
    )
    return {
      dims: x.dims.with(
        axis,
        sizes.reduce((a, b) => a + b),
      ),
      from,
    }
  },
  Gather: ({ node, x, list, dims }) => {
    const axis = axisPosition(intAttribute(node, 'axis', 0), x.dims.length)
    const steps = strides(x.dims)
    const [before, behind] = [x.dims.slice(0, axis), x.dims.slice(axis + 1)]
    const taken = list(1)?.map((index) => wrapped(index, x.dims[axis]!) * steps[axis]!)
    if (!taken) return undefined
    const inner = positions(behind, steps.slice(axis + 1))
    const from = positions(before, steps).flatMap((o) =>
      taken.flatMap((t) => inner.map((i) => o + t + i)),
    )
    return { dims: [...before, ...dims(1)!, ...behind], from }
  },
  GatherND: ({ node, x, list, dims }) => {
    const indices = list(1)
    const depth = dims(1)?.at(-1)
    if (!indices || !depth || intAttribute(node, 'batch_dims', 0) !== 0) return undefined
    const steps = strides(x.dims)
    const inner = positions(x.dims.slice(depth), steps.slice(depth))
    const from = range(indices.length / depth).flatMap((row) => {
      const start = range(depth).reduce(
        (at, k) => at + wrapped(indices[row * depth + k]!, x.dims[k]!) * steps[k]!,
        0,
      )
      return inner.map((i) => start + i)
    })
    return { dims: [...dims(1)!.slice(0, -1), ...x.dims.slice(depth)], from }
  },
}

/** Arrays by the names of a model's values, computed where they are asked for. */
export class KnownArrays {
  readonly #values: ReadonlyMap<string, ValueInfo>
  readonly #producers: ReadonlyMap<string, Node>
  readonly #arrays = new Map<string, KnownArray | undefined>()
  #left = mostInAll
  /** The operators that sums of positions pass through. */
  readonly #joins: Readonly<Record<string, Join>> = {
    Add: (a, b) => this.#sum(a, b),
    Sub: (a, b) => this.#sum(a, this.#times(b, -1)),
    Mul: (a, b) => (typeof b === 'number' ? this.#times(a, b) : this.#times(b, a)),
    Div: (a, b) => {
      if (typeof b !== 'number') return Number.NaN
      return typeof a === 'number' ? a / b : this.#times(a, 1 / b)
    },
    Where: (condition, a, b) => (condition === 0 ? b : a),
  }

  /** @param values what is known of the model's values, where what is trained is no constant */
  constructor(values: ReadonlyMap<string, ValueInfo>, producers: ReadonlyMap<string, Node>) {
    this.#values = values
    this.#producers = producers
  }

  /** Undefined where an element depends on what is fed. */
  of(name: string, depth = 0): KnownArray | undefined {
    if (!this.#arrays.has(name)) this.#arrays.set(name, this.#find(name, depth))
    return this.#arrays.get(name)
  }

  /** Has a value stand for its positions, each of which is an element. */
  place(name: string, dims: readonly number[]): void {
    const count = elementCount(shown(dims))
    const isSmall = count <= Math.min(mostElements, this.#left)
    const elements = range(isSmall ? count : 0).map((at) => this.#term(at, 1, undefined))
    this.#arrays.set(name, isSmall ? { dims, elements } : undefined)
  }

  forget(name: string): void {
    this.#arrays.delete(name)
  }

  /** Computes a node's value from what is known by now. */
  compute(node: Node): boolean {
    const [name = ''] = node.outputs
    this.forget(name)
    return this.of(name) !== undefined
  }

  #find(name: string, depth: number): KnownArray | undefined {
    const info = this.#values.get(name) ?? {}
    const node = this.#producers.get(name)
    const { dtype, shape, constant } = info
    if (!dtype || !stored[dtype]) return undefined
    if (constant)
      return elementCount(constant.dims) <= mostElements
        ? { dims: constant.dims, elements: toNumbers(constant) }
        : undefined
    const elements = elementsOf(info)
    if (isStatic(elements) && isStatic(shape)) return this.#stored({ dims: shape, elements }, dtype)
    if (node?.domain !== '' || node.outputs.length !== 1 || depth === deepest) return undefined
    // Of the second input of CastLike nothing but the type matters.
    const inputs = node.opType === 'CastLike' ? node.inputs.slice(0, 1) : node.inputs
    const arrays: KnownArray[] = []
    for (const input of inputs) {
      const array = this.of(input, depth + 1)
      if (!array) return undefined
      arrays.push(array)
    }
    const result = arrays.length > 0 ? this.#computed(node, arrays, info) : undefined
    return result && this.#stored(result, dtype)
  }

  /** With numbers as the type holds them; undefined where it does not, and for sums beside other numbers than 0. */
  #stored({ dims, elements }: KnownArray, dtype: DType): KnownArray | undefined {
    this.#left -= elements.length
    const isMap = dims.some((size) => size < 0)
    if (this.#left < 0 || (isMap && dtype !== 'float32')) return undefined
    const most = isMap ? 0 : (largest[dtype] ?? Number.POSITIVE_INFINITY)
    const rounded = elements.map((element) =>
      typeof element === 'number' ? stored[dtype]!(element) : element,
    )
    const isRight = rounded.every(
      (element) => typeof element === 'object' || Math.abs(element) <= most,
    )
    return isRight ? { dims, elements: rounded } : undefined
  }

  #computed(node: Node, arrays: readonly KnownArray[], after: ValueInfo): KnownArray | undefined {
    const { opType } = node
    const [x] = arrays as [KnownArray]
    const dims = (i: number) => arrays[i]?.dims
    const list = (i: number) => {
      const elements = arrays[i]?.elements
      return elements && isNumbers(elements) ? elements : undefined
    }
    if (opType === 'Range') {
      const [[start = 0] = [], [limit = 0] = [], [step = 1] = []] = [list(0), list(1), list(2)]
      const count = Math.max(0, Math.ceil((limit - start) / step))
      if (!(count <= mostElements)) return undefined
      return { dims: [count], elements: range(count).map((k) => start + k * step) }
    }
    if (opType === 'ReduceSum' || opType === 'ReduceMean') return this.#reduced(node, x, list(1))
    const move = entry(moves, opType)
    if (!move) return this.#joined(node, arrays)
    const data = opType === 'Concat' ? arrays : [x]
    const before = this.#values.get(node.inputs[0]!) ?? {}
    const moved = move({ node, data, x, list, dims, before, after })
    if (!moved || !(elementCount(shown(moved.dims)) <= mostElements)) return undefined
    const elements = data.length > 1 ? data.flatMap((array) => array.elements) : x.elements
    const from = moved.from?.map((at) => elements[at] ?? Number.NaN)
    return { dims: moved.dims, elements: from ?? elements }
  }

  #joined({ opType }: Node, arrays: readonly KnownArray[]): KnownArray | undefined {
    const [linear, numeric] = [entry(this.#joins, opType), entry(ofNumbers, opType)]
    if (arrays.length < ((linear ?? numeric)?.length ?? 0)) return undefined
    const join: Join | undefined =
      linear ?? (numeric && ((...all) => (isNumbers(all) ? numeric(...all) : Number.NaN)))
    const dims = broadcast(arrays.map((array) => array.dims))
    if (!join || !dims || !(elementCount(shown(dims)) <= mostElements)) return undefined
    const operands = arrays.map(({ dims: own, elements }) =>
      repeated(own, dims).map((at) => elements[at]!),
    )
    return { dims, elements: operands[0]!.map((_, i) => join(...operands.map((all) => all[i]!))) }
  }

  /** Sums or means over axes, which must not be kept ones. */
  #reduced(
    node: Node,
    { dims, elements }: KnownArray,
    axes: readonly number[] | undefined,
  ): KnownArray | undefined {
    const isNone = !axes?.length && intAttribute(node, 'noop_with_empty_axes', 0) === 1
    if (isNone) return { dims, elements }
    const gone = (axes?.length ? axes : range(dims.length)).map((k) => axisPosition(k, dims.length))
    if (gone.some((axis) => dims[axis]! < 0)) return undefined
    const steps = strides(dims)
    const pick = (isGone: boolean) => {
      const own = range(dims.length).filter((axis) => gone.includes(axis) === isGone)
      return positions(
        own.map((axis) => dims[axis]!),
        own.map((axis) => steps[axis]!),
      )
    }
    const inner = pick(true)
    const factor = node.opType === 'ReduceMean' ? 1 / inner.length : 1
    const sums = pick(false).map((outer) => {
      let sum: Element = 0
      for (const at of inner) sum = this.#sum(sum, elements[outer + at]!)
      return factor === 1 ? sum : this.#times(sum, factor)
    })
    const keeps = intAttribute(node, 'keepdims', 1) === 1
    const left = dims.flatMap((size, axis) => (gone.includes(axis) ? (keeps ? [1] : []) : [size]))
    return { dims: left, elements: sums }
  }

  #term(at: number, weight: number, rest: Terms | undefined): Terms {
    this.#left--
    return { at, weight, rest, length: (rest?.length ?? 0) + 1 }
  }

  /** The shorter sum's terms before the longer one's. */
  #sum(a: Element, b: Element): Element {
    if (typeof a === 'number') return typeof b === 'number' ? a + b : a === 0 ? b : Number.NaN
    if (typeof b === 'number') return b === 0 ? a : Number.NaN
    let [sum, added]: [Terms, Terms | undefined] = a.length < b.length ? [b, a] : [a, b]
    for (; added && this.#left >= 0; added = added.rest)
      sum = this.#term(added.at, added.weight, sum)
    return sum
  }

  #times(a: Element, factor: Element): Element {
    if (typeof factor !== 'number') return a === 0 ? 0 : Number.NaN
    if (typeof a === 'number') return a * factor
    let product: Terms | undefined
    for (let term: Terms | undefined = a; term && this.#left >= 0; term = term.rest)
      product = this.#term(term.at, term.weight * factor, product)
    return product ?? Number.NaN
  }
}
