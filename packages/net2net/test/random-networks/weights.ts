/**
 * Random ways to compute weights from constants, for tests, in double precision: what differs after
 * growth differs by more than rounding. The same seed gives the same network.
 */
import { GraphBuilder } from '../../src/model/builder.ts'
import type { Model } from '../../src/model/model.ts'
import { int64, Tensor } from '../../src/tensor/tensor.ts'
import { Draws } from './draws.ts'

type Dims = readonly number[]

export class WeightGenerator {
  readonly #draws: Draws
  readonly #builder = new GraphBuilder()
  /** Values by their dimensions: a weight may read a constant twice, and two weights the same one. */
  readonly #pool = new Map<string, string[]>()

  constructor(seed: number) {
    this.#draws = new Draws(seed, 'weights')
  }

  /** Three layers, in a row or with a shortcut around the second. */
  model(): Model {
    const width = () => 2 + this.#draws.below(3)
    const [inputs, first, outputs] = [2, width(), 2]
    const second = this.#draws.chance(0.4) ? first : width()
    const x = this.#builder.input('x', 'float64', ['n', inputs])
    const a = this.#layer('a', x, first, inputs)
    const b = this.#layer('b', a, second, first)
    const joined = first === second && this.#draws.chance(0.5) ? this.#op('Add', [a, b]) : b
    this.#builder.output(this.#layer('c', joined, outputs, second), 'float64')
    return this.#builder.model()
  }

  #layer(name: string, x: string, out: number, inputs: number): string {
    const node = (opType: string, weight: string, attributes = {}) =>
      this.#builder.node(opType, [x, weight], attributes, { name })
    const depth = 1 + this.#draws.below(4)
    const y = this.#draws.chance(0.5)
      ? node('Gemm', this.#value([out, inputs], depth), { transB: 1 })
      : node('MatMul', this.#value([inputs, out], depth))
    const shifted = this.#draws.chance(0.5) ? this.#op('Add', [y, this.#value([out], 1)]) : y
    return this.#draws.chance(0.7) ? this.#op('Tanh', [shifted]) : shifted
  }

  #op(opType: string, inputs: readonly string[], attributes = {}): string {
    return this.#builder.node(opType, inputs, attributes)
  }

  #ints(...values: number[]): string {
    return this.#builder.constant(int64(values), 'ints')
  }

  #number(value: number): string {
    return this.#builder.constant(new Tensor('float64', [], Float64Array.of(value)), 'number')
  }

  #constant(dims: Dims): string {
    const count = dims.reduce((a, b) => a * b, 1)
    const data = Float64Array.from({ length: count }, () => this.#draws.normal())
    return this.#builder.constant(new Tensor('float64', dims, data), 'w')
  }

  #mask(dims: Dims, depth: number): string {
    if (this.#draws.chance(0.5))
      return this.#op('Greater', [this.#value(dims, depth), this.#number(0)])
    const count = dims.reduce((a, b) => a * b, 1)
    const data = Uint8Array.from({ length: count }, () => this.#draws.below(2))
    return this.#builder.constant(new Tensor('bool', dims, data), 'mask')
  }

  /** A value of these dimensions: a constant, one that there is, or one computed from others. */
  #value(dims: Dims, depth: number): string {
    const known = this.#pool.get(String(dims)) ?? []
    this.#pool.set(String(dims), known)
    if (known.length > 0 && this.#draws.chance(0.2)) return this.#draws.pick(known)
    const value =
      depth === 0 || dims.length === 0 ? this.#constant(dims) : this.#computed(dims, depth - 1)
    known.push(value)
    return value
  }

  /** Dimensions that are repeated to the given ones. */
  #narrower(dims: Dims): Dims {
    const narrow = dims.map((dim) => (this.#draws.chance(0.5) ? 1 : dim))
    return this.#draws.chance(0.3) ? narrow.slice(1) : narrow
  }

  #computed(dims: Dims, depth: number): string {
    const rank = dims.length
    const like = () => this.#value(dims, depth)
    const other = () =>
      this.#draws.chance(0.5) ? like() : this.#value(this.#narrower(dims), depth)
    const axis = this.#draws.below(rank)
    const along = () => this.#ints(axis)
    const forms: (() => string)[] = [
      () => this.#constant(dims),
      () => this.#op('Transpose', [this.#value([...dims].reverse(), depth)]),
      () => this.#op(this.#draws.pick(['Neg', 'Identity']), [like()]),
      () => this.#op('Reshape', [this.#value([1, ...dims], depth), this.#ints(...dims)]),
      () => this.#op('Squeeze', [this.#op('Unsqueeze', [like(), along()]), along()]),
      () => this.#op('Mul', this.#draws.chance(0.5) ? [like(), other()] : [other(), like()]),
      () => this.#op('Mul', [like(), other()]),
      () =>
        this.#op('Div', [like(), this.#op('Add', [this.#op('Abs', [other()]), this.#number(1)])]),
      () => this.#op(this.#draws.pick(['Add', 'Sub', 'Sum', 'Max']), [like(), like()]),
      () => this.#op(this.#draws.pick(['Add', 'Sub']), [like(), other()]),
      () => this.#normalized(like(), dims, axis, depth),
      () => this.#op(this.#draws.pick(['Tanh', 'Relu', 'Abs', 'Sigmoid']), [like()]),
      () => this.#op('Softmax', [like()], { axis }),
      () => this.#op('Sub', [like(), this.#op('ReduceMean', [like(), along()])]),
      () =>
        this.#op('Where', [
          this.#mask(dims, depth),
          like(),
          this.#draws.chance(0.5) ? this.#number(0) : like(),
        ]),
      () => this.#part(dims, axis, depth),
      () => this.#parts(dims, axis, depth),
      () => this.#product(dims, depth),
      () => this.#product(dims, depth),
    ]
    return this.#draws.pick(forms)()
  }

  #normalized(v: string, dims: Dims, axis: number, depth: number): string {
    const length = this.#op('ReduceL2', [v, this.#ints(axis)])
    const safe = this.#op('Max', [length, this.#number(0.1)])
    const lengths = dims.map((dim, k) => (k === axis ? 1 : dim))
    const kept = this.#draws.chance(0.5)
    return this.#op('Mul', [
      this.#op('Div', [v, safe]),
      this.#value(kept ? lengths : dims.map((dim, k) => (k === axis ? dim : 1)), depth),
    ])
  }

  #part(dims: Dims, axis: number, depth: number): string {
    const larger = dims.map((dim, k) => (k === axis ? dim + 1 : dim))
    const from = this.#draws.below(2)
    const bounds = [from, from + dims[axis]!, axis]
    return this.#op('Slice', [this.#value(larger, depth), ...bounds.map((at) => this.#ints(at))])
  }

  #parts(dims: Dims, axis: number, depth: number): string {
    const size = dims[axis]!
    if (size < 2) return this.#constant(dims)
    const first = 1 + this.#draws.below(size - 1)
    const part = (length: number) =>
      this.#value(
        dims.map((dim, k) => (k === axis ? length : dim)),
        depth,
      )
    return this.#op('Concat', [part(first), part(size - first)], { axis })
  }

  #product(dims: Dims, depth: number): string {
    const [rows, columns] = dims
    if (rows === undefined || columns === undefined || dims.length > 2) return this.#constant(dims)
    const rank = this.#draws.chance(0.5) ? rows : 1 + this.#draws.below(3)
    const factors = [this.#value([rows, rank], depth), this.#value([rank, columns], depth)]
    return this.#draws.chance(0.7)
      ? this.#op('MatMul', factors)
      : this.#op('Einsum', factors, { equation: 'ij,jk->ik' })
  }
}

export const randomWeights = (seed: number): Model => new WeightGenerator(seed).model()
