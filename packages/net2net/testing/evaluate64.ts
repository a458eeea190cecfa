/** Runs a float32 model in float64: the independent reference of the gradient checks. */
import { internalError } from '../src/errors.ts'
import { GraphBuilder, modelOf } from '../src/model/builder.ts'
import { capturedValues } from '../src/model/links.ts'
import type { Attribute, Model, Node } from '../src/model/model.ts'
import { describeNode } from '../src/model/names.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import type { Session } from '../src/runtime/runtime.ts'
import { dtypes } from '../src/tensor/dtype.ts'
import { type LazyTensor, materialize, Tensor } from '../src/tensor/tensor.ts'
import { kernels } from './reference/index.ts'

/** float32 as float64; every other type as it is. */
export const widened = (source: LazyTensor): Tensor => {
  const tensor = materialize(source)
  return tensor.dtype === 'float32'
    ? new Tensor('float64', tensor.dims, Float64Array.from(tensor.data as Float32Array))
    : tensor
}

/** Attributes that name an element type: `to` of Cast, `dtype` of EyeLike and random sources. */
const typeAttributes = new Set(['to', 'dtype'])

function widenedNode(node: Node): Node {
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    if (attribute.type === 'tensor')
      attributes.set(name, { type: 'tensor', value: widened(attribute.value) })
    else if (
      attribute.type === 'int' &&
      typeAttributes.has(name) &&
      attribute.value === BigInt(dtypes.float32.code)
    )
      attributes.set(name, { type: 'int', value: BigInt(dtypes.float64.code) })
    else attributes.set(name, attribute)
  }
  return { ...node, attributes }
}

/** Our kernel for a node, by `Conv` or `com.microsoft.Gelu`. */
const kernelOf = ({ domain, opType }: Node) =>
  kernels.get(domain === '' ? opType : `${domain}.${opType}`)

/** Neighbouring nodes that ONNX Runtime computes in one session, or one node with our kernel. */
interface Segment {
  readonly nodes: readonly Node[]
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  session?: Session
}

export class Evaluator64 {
  readonly #opsets: ReadonlyMap<string, number>
  readonly #constants = new Map<string, Tensor>()
  readonly #segments: Segment[] = []
  readonly #outputs: readonly string[]

  constructor(model: Model) {
    this.#opsets = model.opsets
    this.#outputs = model.graph.outputs.map((output) => output.name)
    for (const [name, { tensor }] of model.graph.initializers)
      this.#constants.set(name, widened(tensor))
    let run: Node[] = []
    const close = () => {
      if (run.length > 0) this.#segments.push(segmentOf(run))
      run = []
    }
    for (const node of model.graph.nodes.map(widenedNode)) {
      if (kernelOf(node)) {
        close()
        this.#segments.push(segmentOf([node]))
      } else run.push(node)
    }
    close()
  }

  /** Values of the graph's outputs; float inputs may be float32 or float64. */
  async run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const values = new Map(this.#constants)
    for (const [name, tensor] of Object.entries(inputs)) values.set(name, widened(tensor))
    for (const segment of this.#segments) {
      const [node] = segment.nodes
      const kernel = node && kernelOf(node)
      if (kernel) {
        const results = kernel(
          node!,
          node!.inputs.map((name) => (name === '' ? undefined : values.get(name))),
        )
        node!.outputs.forEach((name, k) => {
          if (name !== '') values.set(name, results[k]!)
        })
      } else {
        const results = await this.#native(segment, values)
        for (const [name, tensor] of Object.entries(results)) values.set(name, tensor)
      }
    }
    return Object.fromEntries(this.#outputs.map((name) => [name, values.get(name)!]))
  }

  async release(): Promise<void> {
    for (const segment of this.#segments) await segment.session?.release()
  }

  async #native(segment: Segment, values: ReadonlyMap<string, Tensor>) {
    const feeds = Object.fromEntries(
      segment.reads.map((name) => {
        const tensor = values.get(name)
        if (!tensor) throw internalError(`No value is known for ${name}.`)
        return [name, tensor]
      }),
    )
    if (!segment.session) {
      const builder = new GraphBuilder()
      for (const [name, tensor] of Object.entries(feeds))
        builder.input(
          name,
          tensor.dtype,
          tensor.dims.map(() => null),
        )
      for (const node of segment.nodes) builder.append(node)
      for (const name of segment.writes) builder.output(name)
      const model = { ...modelOf(builder.graph()), opsets: this.#opsets, irVersion: 8 }
      try {
        segment.session = await nodeRuntime.createSession(encodeModel(model), {
          optimization: 'disabled',
        })
      } catch (cause) {
        throw internalError(
          `ONNX Runtime has no double kernel for one of ${segment.nodes.map(describeNode).join(', ')}: ` +
            `add one to testing/reference. (${String(cause)})`,
          { cause },
        )
      }
    }
    return segment.session.run(feeds)
  }
}

function segmentOf(nodes: readonly Node[]): Segment {
  const writes = new Set(nodes.flatMap((node) => node.outputs.filter((name) => name !== '')))
  const reads = new Set(
    nodes
      .flatMap((node) => [...node.inputs, ...capturedValues(node)])
      .filter((name) => name !== ''),
  )
  return {
    nodes,
    reads: [...reads].filter((name) => !writes.has(name)),
    writes: [...writes],
  }
}
