/**
 * A half-precision model computed in single precision: the same weights and nodes, with every
 * float16 and bfloat16 value in float32. By how much the two differ is how much the model rounds,
 * which no other order of its sums shows: ONNX Runtime's CPU computes most half-precision nodes in
 * float32 and rounds only what passes between them.
 */
import type { Attribute, Graph, Model, ValueDeclaration } from '../model/model.ts'
import type { Feeds } from '../runtime/runtime.ts'
import { type DType, dtypes } from '../tensor/dtype.ts'
import { decode } from '../tensor/lazy.ts'
import { type LazyTensor, Tensor } from '../tensor/tensor.ts'

const isHalf = (dtype: DType | undefined): boolean => dtype === 'float16' || dtype === 'bfloat16'

/** The model in single precision, undefined where nothing in it has half. */
export function inSinglePrecision(model: Model): Model | undefined {
  const conversion = new Conversion()
  const graph = conversion.graph(model.graph)
  return conversion.count > 0 ? { ...model, graph } : undefined
}

/** Inputs for a model in single precision. */
export const singleFeeds = (feeds: Feeds): Feeds =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => {
      const { dtype, dims } = tensor
      if (!isHalf(dtype)) return [name, tensor]
      const values = decode(dtype, tensor.read(0, tensor.byteLength))
      return [name, new Tensor('float32', dims, Float32Array.from(values))]
    }),
  )

class Conversion {
  /** How many tensors and types were half precision. */
  count = 0

  graph(graph: Graph): Graph {
    return {
      ...graph,
      // Hints that the runtime does without.
      values: [],
      inputs: graph.inputs.map((input) => this.#declaration(input)),
      outputs: graph.outputs.map((output) => this.#declaration(output)),
      initializers: new Map(
        [...graph.initializers].map(([name, initializer]) => [
          name,
          { ...initializer, tensor: this.#tensor(initializer.tensor) },
        ]),
      ),
      nodes: graph.nodes.map((node) => ({
        ...node,
        attributes: new Map(
          [...node.attributes].map(([name, value]) => [name, this.#attribute(name, value)]),
        ),
      })),
    }
  }

  #declaration(declaration: ValueDeclaration): ValueDeclaration {
    const { type } = declaration
    if (type.kind !== 'tensor' || !isHalf(type.dtype)) return declaration
    this.count++
    return { ...declaration, type: { ...type, dtype: 'float32' } }
  }

  #tensor(tensor: LazyTensor): LazyTensor {
    if (!isHalf(tensor.dtype)) return tensor
    this.count++
    return {
      dtype: 'float32',
      dims: tensor.dims,
      byteLength: 2 * tensor.byteLength,
      read: (offset, length) => {
        const values = decode(tensor.dtype, tensor.read(offset / 2, length / 2))
        return new Uint8Array(Float32Array.from(values).buffer)
      },
    }
  }

  #attribute(name: string, attribute: Attribute): Attribute {
    switch (attribute.type) {
      case 'tensor':
        return { ...attribute, value: this.#tensor(attribute.value) }
      case 'graph':
        return { ...attribute, value: this.graph(attribute.value) }
      case 'graphs':
        return { ...attribute, value: attribute.value.map((graph) => this.graph(graph)) }
      case 'int': {
        // The type that a Cast or a generator makes, in every operator that has such an attribute.
        const isType = name === 'to' || name === 'dtype'
        if (!isType || !halfCodes.includes(Number(attribute.value))) return attribute
        this.count++
        return { ...attribute, value: BigInt(dtypes.float32.code) }
      }
      default:
        return attribute
    }
  }
}

const halfCodes: readonly number[] = [dtypes.float16.code, dtypes.bfloat16.code]
