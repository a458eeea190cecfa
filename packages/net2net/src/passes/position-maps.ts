/**
 * Values that are a linear map of an image's positions, y[n, c, p] = Σ over q of K[p, q] · x[n, c, q] with a K that is known before the
 * model runs, as one product with K. Exporters write a pooling whose windows differ in size as a Gather of all windows into an image of six
 * axes, masks, and a sum of single entries: each of these nodes moves more elements than the pooling reads, and so does its gradient.
 *
 * https://onnx.ai/onnx/operators/onnx__GatherND.html
 *
 * An infinite or missing number (NaN) in one position reaches all of its image, as K holds zeros for the others.
 */
import { capturedValues, linksOf } from '../model/links.ts'
import { isStandard, type Model, type Node } from '../model/model.ts'
import { costs } from '../operators/helpers/costs.ts'
import { isStatic } from '../operators/helpers/elements.ts'
import { range } from '../operators/helpers/emission.ts'
import { inferModel } from '../operators/inference.ts'
import { elementCount, float32, int64, type Tensor } from '../tensor/tensor.ts'
import { Rewriter } from './cpu-layout/rewriter.ts'
import { KnownArrays, type Terms } from './known-arrays.ts'

/** K has at most so many elements, where it is written down. */
const mostElements = 2 ** 20
/** Its weights are sums of no more numbers. */
const mostTerms = 2 ** 22
/**
 * What products with a matrix for rows and one for columns cost, in multiply-adds of the product with K: those of small products take
 * longer, and there are two of them for each image. They are taken where the product with K costs more than theirs by the factor `gain`.
 */
const apart = { product: 2.3, image: 4500, gain: 1.5 }

/** A value of a chain that starts at `source`. */
interface Mapped {
  readonly source: string
  /** Are entries picked by index on the way, and are any added up? */
  readonly picks: boolean
  readonly adds: boolean
}

/** Weights of positions, for one position of a result. */
type Weights = ReadonlyMap<number, number>

interface Product {
  readonly source: string
  /** The sizes of the value's axes, negative where they are the batch (-1) or the channels (-2). */
  readonly dims: readonly number[]
  /** Kᵀ, or A and Bᵀ where a result is A · x · Bᵀ. */
  readonly factors: readonly Tensor[]
}

/**
 * The same function; the model itself where nothing of this is in it. The operator set must be 18 or newer.
 *
 * @param variables initializers that change from step to step
 */
export function positionMaps(model: Model, variables: ReadonlySet<string> = new Set()): Model {
  const { graph } = model
  const { producers } = linksOf(graph)
  // Most models look up embeddings and sizes alone.
  const picks = graph.nodes.filter((node) => {
    const [data = ''] = node.inputs
    const isShape = producers.get(data)?.opType === 'Shape'
    return isStandard(node, 'Gather', 'GatherND') && !isShape && !graph.initializers.has(data)
  })
  if (picks.length === 0) return model
  const products = new Chains(model, variables).products(new Set(picks))
  if (products.size === 0) return model
  const rewriter = new Rewriter(model, { sharesInitializers: false })
  for (const node of graph.nodes) {
    const product = products.get(node)
    if (product) rewriter.replace(node.outputs[0]!, emit(rewriter, product))
    else rewriter.keep(node)
  }
  return rewriter.model()
}

function emit(rewriter: Rewriter, { source, dims, factors }: Product): string {
  const sizes = dims.filter((size) => size >= 0)
  const emitted = (opType: string, ...inputs: string[]) => rewriter.emit(opType, inputs)[0]!
  const constant = (tensor: Tensor) => rewriter.constant(tensor, 'positions')
  const shaped = (value: string, ...sizes: readonly number[]) =>
    emitted('Reshape', value, constant(int64([0, 0, ...sizes])))
  const x = rewriter.value(source)
  const [first, second] = factors as [Tensor, Tensor?]
  const image = second
    ? emitted('MatMul', constant(first), emitted('MatMul', x, constant(second)))
    : shaped(emitted('MatMul', shaped(x, first.dims[0]!), constant(first)), ...sizes)
  let own = 2
  const perm = dims.map((size) => (size < 0 ? -1 - size : own++))
  const isMoved = perm.some((axis, k) => axis !== k)
  return isMoved ? rewriter.emit('Transpose', [image], { perm })[0]! : image
}

class Chains {
  readonly #nodes: readonly Node[]
  readonly #links: ReturnType<typeof linksOf>
  readonly #values: ReturnType<typeof inferModel>
  readonly #arrays: KnownArrays
  readonly #mapped = new Map<string, Mapped>()
  /** Values that subgraphs read: by their names. */
  readonly #captured: ReadonlySet<string>
  readonly #outputs: ReadonlySet<string>

  constructor(model: Model, variables: ReadonlySet<string>) {
    const { graph } = model
    this.#nodes = graph.nodes
    this.#links = linksOf(graph)
    this.#values = inferModel(model, { variables })
    this.#arrays = new KnownArrays(this.#values, this.#links.producers)
    this.#captured = new Set(graph.nodes.flatMap((node) => [...capturedValues(node)]))
    this.#outputs = new Set(graph.outputs.map(({ name }) => name))
  }

  /** What takes the place of nodes: of the last ones of chains that begin before these Gathers. */
  products(picks: ReadonlySet<Node>): ReadonlyMap<Node, Product> {
    for (const node of this.#nodes)
      if (picks.has(node) && !this.#mapped.has(node.inputs[0]!)) this.#start(node)
      else this.#follow(node)
    const products = new Map<Node, Product>()
    const read = new Set(this.#outputs)
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((name) => read.has(name))) continue
      const product = this.#product(node)
      if (product) products.set(node, product)
      const inputs = product ? [product.source] : [...node.inputs, ...capturedValues(node)]
      for (const name of inputs) read.add(name)
    }
    return products
  }

  /** Finds the image that a Gather picks from: whose axes of positions are no others than those that are picked. */
  #start(pick: Node): void {
    const path = [pick]
    for (;;) {
      const [name = ''] = path[0]!.inputs
      const isKnown = this.#mapped.has(name)
      const sizes = this.#values.get(name)?.shape?.slice(2)
      const isImage = sizes?.length && this.#values.get(name)?.dtype === 'float32'
      if (!isKnown && isImage && isStatic(sizes)) {
        this.#arrays.place(name, [-1, -2, ...sizes])
        this.#mapped.set(name, { source: name, picks: false, adds: false })
      }
      if (path.every((node) => this.#follow(node)) || isKnown) return
      for (const { inputs } of path) {
        this.#mapped.delete(inputs[0]!)
        this.#arrays.forget(inputs[0]!)
      }
      const producer = this.#links.producers.get(name)
      if (!producer || !isStandard(producer, 'Transpose', 'Unsqueeze', 'Squeeze')) return
      path.unshift(producer)
    }
  }

  #follow(node: Node): boolean {
    const inputs = node.inputs.flatMap((name) => this.#mapped.get(name) ?? [])
    const [first] = inputs
    const [y = ''] = node.outputs
    const isOne = first && inputs.every(({ source }) => source === first.source)
    if (!isOne || !this.#arrays.compute(node)) return false
    this.#mapped.set(y, {
      source: first.source,
      picks: isStandard(node, 'Gather', 'GatherND') || inputs.some(({ picks }) => picks),
      adds:
        isStandard(node, 'Add', 'Sub', 'ReduceSum', 'ReduceMean') ||
        inputs.some(({ adds }) => adds),
    })
    return true
  }

  /** The product that a node's value is, where it costs less than what computes the value now. */
  #product(node: Node): Product | undefined {
    const [y = ''] = node.outputs
    const mapped = this.#mapped.get(y)
    if (!mapped?.picks || !mapped.adds || this.#captured.has(y)) return undefined
    const { source } = mapped
    const { dims, elements } = this.#arrays.of(y)!
    const before = this.#arrays.of(source)!.dims.slice(2)
    const after = dims.filter((size) => size >= 0)
    const size = elementCount(before) * elements.length
    const whole = size <= mostElements ? size : Number.POSITIVE_INFINITY
    const two = costApart(before, after)
    const most = (this.#alone(node) * costs.exchanged) / costs.product
    const terms = elements.reduce<number>((sum, element) => sum + lengthOf(element), 0)
    if (size === 0 || Math.min(whole, two) > most || terms > mostTerms) return undefined
    const rows = elements.map(weightsOf)
    const separate = two * apart.gain < whole ? separated(rows, before, after) : undefined
    if (!separate && whole > most) return undefined
    const factors = separate ?? [transposed(rows, elementCount(before))]
    const isRight = factors.every(({ data }) => data.every(Number.isFinite))
    return isRight ? { source, dims, factors } : undefined
  }

  /** Elements that are computed for a node of a chain alone, its own among them. */
  #alone(last: Node): number {
    const alone = new Set([last])
    let count = 0
    for (const name of [...this.#mapped.keys()].reverse()) {
      const node = this.#links.producers.get(name)
      const uses = this.#links.uses.get(name) ?? []
      const isInner = !this.#outputs.has(name) && uses.every((use) => alone.has(use.node))
      if (node !== last && !(node && isInner && uses.length > 0)) continue
      alone.add(node)
      count += this.#arrays.of(name)!.elements.length
    }
    return count
  }
}

/** What products by rows and by columns cost, for maps of images to images. */
function costApart(before: readonly number[], after: readonly number[]): number {
  const [height, width] = before as [number, number]
  const [lines, columns] = after as [number, number]
  return before.length === 2 && after.length === 2
    ? apart.image + apart.product * height * columns * (width + lines)
    : Number.POSITIVE_INFINITY
}

const lengthOf = (element: number | Terms): number =>
  typeof element === 'number' ? 0 : element.length

function weightsOf(element: number | Terms): Weights {
  const weights = new Map<number, number>()
  for (let term = typeof element === 'number' ? undefined : element; term; term = term.rest)
    weights.set(term.at, (weights.get(term.at) ?? 0) + term.weight)
  return new Map([...weights].filter(([, weight]) => weight !== 0))
}

/** The matrix [size, rows] with these rows as its columns. */
function transposed(rows: readonly Weights[], size: number): Tensor<'float32'> {
  const data = new Float32Array(size * rows.length)
  for (const [p, row] of rows.entries())
    for (const [q, weight] of row) data[q * rows.length + p] = weight
  return float32([size, rows.length], data)
}

/** A and Bᵀ where the weight of (h, w) for (i, j) is A[i, h] · B[j, w]. */
function separated(
  rows: readonly Weights[],
  before: readonly number[],
  after: readonly number[],
): readonly Tensor[] | undefined {
  const [height, width] = before as [number, number]
  const [lines, columns] = after as [number, number]
  // All weights are products of those that share a position with the largest one.
  let [most, to, from, count] = [0, 0, 0, 0]
  for (const [p, row] of rows.entries())
    for (const [q, weight] of row) {
      count++
      if (Math.abs(weight) > Math.abs(most)) [most, to, from] = [weight, p, q]
    }
  const weight = (i: number, j: number, h: number, w: number) =>
    rows[i * columns + j]?.get(h * width + w) ?? 0
  const [i0, j0] = [Math.floor(to / columns), to % columns]
  const [h0, w0] = [Math.floor(from / width), from % width]
  const a = range(lines).flatMap((i) => range(height).map((h) => weight(i, j0, h, w0)))
  const b = range(width).flatMap((w) => range(columns).map((j) => weight(i0, j, h0, w) / most))
  const isProduct = rows.every((row, p) =>
    [...row].every(([q, own]) => {
      const ofRow = a[Math.floor(p / columns) * height + Math.floor(q / width)]!
      const product = ofRow * b[(q % width) * columns + (p % columns)]!
      return Math.abs(product - own) <= 1e-6 * Math.abs(own)
    }),
  )
  const used = (values: readonly number[]) => values.filter((value) => value !== 0).length
  return isProduct && most !== 0 && count === used(a) * used(b)
    ? [float32([lines, height], a), float32([width, columns], b)]
    : undefined
}
