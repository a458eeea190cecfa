/**
 * Models that were exported for one batch size, for any.
 *
 * Exporters that see one batch write its size N into the file: into the shapes of the inputs, and
 * into the targets of Reshape nodes. A value in row-major order whose first axis has the batch as
 * its outermost factor holds its samples one after the other, as blocks of equal size. Reshaping
 * each block by itself and reshaping all at once is then the same, and only the first entry of the
 * target depends on how many blocks there are: it becomes -1, which ONNX defines as "what is left"
 * (https://onnx.ai/onnx/operators/onnx__Reshape.html).
 */
import { Net2NetError } from '../errors.ts'
import { capturedValues } from '../model/links.ts'
import {
  type Dim,
  type Initializer,
  type Model,
  type Node,
  opsetOf,
  requiredInputs,
  type Shape,
  type ValueDeclaration,
} from '../model/model.ts'
import { NameSupply, valueNames } from '../model/names.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { productOf, quotient } from '../operators/helpers/dims.ts'
import { declaredInfo, inferModel, inferNode } from '../operators/inference.ts'
import { operatorOf } from '../operators/table.ts'
import { int64, toNumbers } from '../tensor/tensor.ts'

const batch = 'batch'

/**
 * The model with a symbolic first dimension, if all its inputs fix the same number there and every
 * value that depends on the inputs has the batch along exactly one of its axes, in every output
 * along the first; otherwise the model as it is. A value that has lost the batch mixes samples, one
 * that has it twice compares them: for both, the result of a sample would depend on the others.
 */
export function withSymbolicBatch(model: Model): Model {
  const { graph } = model
  const inputs = new Set(requiredInputs(graph).map(({ name }) => name))
  const sizes = new Set(graph.inputs.filter(({ name }) => inputs.has(name)).map(firstDim))
  const [size] = sizes
  if (sizes.size !== 1 || typeof size !== 'number' || size < 1) return model
  const loosened = graph.inputs.map((input) => (inputs.has(input.name) ? loosen(input) : input))
  const candidate: Model = {
    ...model,
    graph: {
      ...graph,
      inputs: loosened,
      // What the file declares would hide what inference finds.
      outputs: graph.outputs.map(({ name }) => ({ name, type: { kind: 'opaque' } })),
      values: [],
    },
  }
  try {
    const freed = new Loosening(model, candidate, size).model()
    if (!freed) return model
    // Sizes that agree with a symbol need not agree with a number.
    inferModel(withSize(freed, size + 1))
    return { ...freed, graph: { ...freed.graph, outputs: graph.outputs.map(loosen) } }
  } catch (error) {
    if (error instanceof Net2NetError) return model
    throw error
  }
}

class Loosening {
  readonly #model: Model
  readonly #size: number
  /** Of the model as it is. */
  readonly #before: ReadonlyMap<string, ValueInfo>
  readonly #known = new Map<string, ValueInfo>()
  /** Values whose first axis has the batch as its outermost factor. */
  readonly #leading = new Set<string>()
  readonly #initializers: Map<string, Initializer>
  readonly #names: NameSupply

  constructor(source: Model, candidate: Model, size: number) {
    this.#model = candidate
    this.#size = size
    this.#before = inferModel(source)
    this.#initializers = new Map(candidate.graph.initializers)
    this.#names = new NameSupply(valueNames(candidate.graph))
  }

  /** undefined where samples would depend on each other, or nobody knows. */
  model(): Model | undefined {
    const model = this.#model
    const { graph } = model
    for (const [name, { tensor }] of this.#initializers)
      this.#known.set(name, { dtype: tensor.dtype, shape: tensor.dims, constant: tensor })
    for (const input of graph.inputs) {
      if (this.#known.has(input.name)) continue
      this.#known.set(input.name, declaredInfo(input))
      this.#leading.add(input.name)
    }
    const read = new Set([
      ...graph.nodes.flatMap((node) => [...node.inputs, ...capturedValues(node)]),
      ...graph.outputs.map(({ name }) => name),
    ])
    const nodes: Node[] = []
    for (const node of graph.nodes) {
      const freed = this.#free(node)
      const outputs = this.#infer(freed)
      const data = freed.inputs.filter((name) => this.#carries(name))
      freed.outputs.forEach((name, k) => void this.#known.set(name, outputs[k]!))
      if (data.length > 0) {
        const mixes = (name: string) => !this.#isPerSample(name) || this.#sumsOver(freed, name)
        if (freed.outputs.some((name) => read.has(name) && mixes(name))) return undefined
        for (const name of freed.outputs)
          if (freed !== node || this.#leads(name, data)) this.#leading.add(name)
      }
      nodes.push(freed)
    }
    const first = ({ name }: ValueDeclaration) => this.#known.get(name)?.shape?.[0]
    if (!graph.outputs.every((output) => first(output) === batch)) return undefined
    return { ...model, graph: { ...graph, nodes, initializers: this.#initializers } }
  }

  #infer(node: Node): readonly ValueInfo[] {
    const lookup = (name: string) => this.#known.get(name)
    return inferNode(node, opsetOf(this.#model, node.domain), lookup)
  }

  /** The node with a target that leaves the number of samples open, where it has one that fixes it. */
  #free(node: Node): Node {
    const [data, ...rest] = node.inputs
    const output = node.outputs[0]
    const before = this.#before.get(output ?? '')?.shape
    if (data === undefined || !isKnown(before)) return node
    if (!this.#leading.has(data)) return this.#freeInside(node, before)
    for (const [i, name] of rest.entries()) {
      const { constant } = this.#known.get(name) ?? {}
      if (constant?.dtype !== 'int64' || !isTarget(toNumbers(constant), before)) continue
      const open = this.#names.fresh(`${name}.any_batch`)
      const tensor = int64([-1, ...before.slice(1)])
      this.#known.set(open, { dtype: 'int64', shape: tensor.dims, constant: tensor })
      const freed = { ...node, inputs: node.inputs.with(i + 1, open) }
      if (this.#scales(freed, before)) {
        this.#initializers.set(open, { tensor })
        return freed
      }
    }
    return node
  }

  /** The same where the batch stands behind other axes, and stays an axis by itself: [time, N, …]. */
  #freeInside(node: Node, before: readonly number[]): Node {
    const shape = this.#known.get(node.inputs[0]!)?.shape ?? []
    const axis = shape.indexOf(batch)
    const outer = productOf(shape.slice(0, Math.max(axis, 0)))
    const positions = [...before.keys()].filter(
      (p) => before[p] === this.#size && productOf(before.slice(0, p)) === outer,
    )
    const [position = -1] = positions.length === 1 ? positions : []
    const target = node.inputs[1] ?? ''
    const { constant } = this.#known.get(target) ?? {}
    if (axis < 1 || position < 0 || constant?.dtype !== 'int64') return node
    if (String(toNumbers(constant)) !== String(before)) return node
    const open = this.#names.fresh(`${target}.any_batch`)
    const tensor = int64(before.with(position, -1))
    this.#known.set(open, { dtype: 'int64', shape: tensor.dims, constant: tensor })
    const freed = { ...node, inputs: node.inputs.with(1, open) }
    if (String(this.#shapeOf(freed)) !== String((before as readonly Dim[]).with(position, batch)))
      return node
    this.#initializers.set(open, { tensor })
    return freed
  }

  /** The shape that the node's output has; undefined where its inputs do not fit. */
  #shapeOf(node: Node): Shape | undefined {
    try {
      return this.#infer(node)[0]?.shape
    } catch (error) {
      if (error instanceof Net2NetError) return undefined
      throw error
    }
  }

  /** Does the node make as much of each sample as before, whatever their number? */
  #scales(node: Node, [first, ...rest]: readonly number[]): boolean {
    const blocks = quotient([first!], [this.#size])
    const shape = this.#shapeOf(node)
    return blocks !== null && String(shape) === String([productOf([blocks, batch]), ...rest])
  }

  #carries(name: string): boolean {
    return this.#known.get(name)?.shape?.some(hasBatch) ?? false
  }

  /** One axis goes over the samples, or the value holds nothing but sizes. */
  #isPerSample(name: string): boolean {
    const { shape, elements, constant } = this.#known.get(name) ?? {}
    if (elements !== undefined || constant !== undefined) return true
    return shape !== undefined && shape.filter(hasBatch).length === 1
  }

  /** Does a softmax make probabilities over the samples? */
  #sumsOver(node: Node, name: string): boolean {
    const link = operatorOf(node)?.training?.link
    const shape = this.#known.get(name)?.shape
    if (!link?.axis || !shape) return false
    const axis = link.axis(node, shape.length)
    return hasBatch(shape[axis < 0 ? axis + shape.length : axis] ?? null)
  }

  /** Is the batch the outermost factor of the first axis, as it was in what the value comes from? */
  #leads(name: string, data: readonly string[]): boolean {
    const first = this.#known.get(name)?.shape?.[0]
    if (first === batch) return true
    const isSame = (from: string) =>
      this.#leading.has(from) && this.#known.get(from)?.shape?.[0] === first
    return hasBatch(first ?? null) && data.every(isSame)
  }
}

const hasBatch = (dim: Dim): boolean => typeof dim === 'string' && dim.split('*').includes(batch)

/** Are these the sizes of such a value, the first one written down or left open? (0 would copy it.) */
const isTarget = (entries: readonly number[], [first, ...rest]: readonly number[]): boolean =>
  entries.length === rest.length + 1 &&
  [first, -1].includes(entries[0]) &&
  rest.every((size, k) => [size, -1, 0].includes(entries[k + 1]!))

const isKnown = (shape: Shape | undefined): shape is readonly number[] =>
  shape !== undefined && shape.length > 0 && shape.every((dim) => typeof dim === 'number')

const firstDim = ({ type }: ValueDeclaration) =>
  type.kind === 'tensor' ? type.shape?.[0] : undefined

const loosen = (declaration: ValueDeclaration) => withFirst(declaration, batch)

function withFirst(declaration: ValueDeclaration, dim: Dim): ValueDeclaration {
  const { type } = declaration
  if (type.kind !== 'tensor' || !type.shape || type.shape.length === 0) return declaration
  return { ...declaration, type: { ...type, shape: [dim, ...type.shape.slice(1)] } }
}

/** The model for a batch of one size. */
function withSize(model: Model, size: number): Model {
  const inputs = model.graph.inputs.map((input) =>
    firstDim(input) === batch ? withFirst(input, size) : input,
  )
  return { ...model, graph: { ...model.graph, inputs } }
}
