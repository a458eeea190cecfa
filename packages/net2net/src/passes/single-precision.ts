/**
 * A model computed in single precision: the same weights and nodes, with values of other precisions
 * in float32. By how much it differs from a half-precision model is how much that rounds, which no
 * other order of its sums shows: ONNX Runtime's CPU computes most half-precision nodes in float32
 * and rounds only what passes between them. Training computes in float32 whatever the model has.
 */
import type { Attribute, Graph, Model, ValueDeclaration } from '../model/model.ts'
import type { Feeds } from '../runtime/runtime.ts'
import { type DType, dtypeFromCode, dtypes } from '../tensor/dtype.ts'
import { decode, encode } from '../tensor/lazy.ts'
import {
  allocate,
  isNumeric,
  type LazyTensor,
  type NumericDType,
  Tensor,
} from '../tensor/tensor.ts'

const isHalf = (dtype: DType | undefined): boolean => dtype === 'float16' || dtype === 'bfloat16'

/** The model in single precision, undefined where nothing in it has half. */
export const inSinglePrecision = (model: Model): Model | undefined =>
  converted(model, ['float16', 'bfloat16']).model

/**
 * The model with every float16, bfloat16 and float64 value in float32 (as it is, where there are
 * none), and which of these types it had.
 */
export function inFloat32(model: Model): {
  readonly model: Model
  readonly from: ReadonlySet<DType>
} {
  const { model: single = model, from } = converted(model, ['float16', 'bfloat16', 'float64'])
  return { model: single, from }
}

function converted(model: Model, types: readonly DType[]) {
  const conversion = new Conversion(types)
  const graph = conversion.graph(model.graph)
  return {
    from: conversion.from,
    model: conversion.from.size > 0 ? { ...model, graph } : undefined,
  }
}

/** A tensor of floats with its elements in another type of floats. */
export function asFloats(tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype === dtype || !isNumeric(dtype)) return tensor
  const data = allocate(dtype, tensor.data.length)
  const bytes = new Uint8Array(data.buffer)
  encode(dtype, decode(tensor.dtype, tensor.read(0, tensor.byteLength)), bytes)
  return new Tensor<NumericDType>(dtype, tensor.dims, data)
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
  /** The types that were found and converted. */
  readonly from = new Set<DType>()
  readonly #types: readonly DType[]

  constructor(types: readonly DType[]) {
    this.#types = types
  }

  /** Notes a type that is to be converted. */
  #isConverted(dtype: DType | undefined): dtype is DType {
    if (dtype === undefined || !this.#types.includes(dtype)) return false
    this.from.add(dtype)
    return true
  }

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
    if (type.kind !== 'tensor' || !this.#isConverted(type.dtype)) return declaration
    return { ...declaration, type: { ...type, dtype: 'float32' } }
  }

  #tensor(tensor: LazyTensor): LazyTensor {
    const { dtype, dims } = tensor
    if (!this.#isConverted(dtype)) return tensor
    const ratio = dtypes[dtype].bits / dtypes.float32.bits
    return {
      dtype: 'float32',
      dims,
      byteLength: tensor.byteLength / ratio,
      read: (offset, length) => {
        const values = decode(dtype, tensor.read(offset * ratio, length * ratio))
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
        if (!isType || !this.#isConverted(dtypeFromCode(Number(attribute.value)))) return attribute
        return { ...attribute, value: BigInt(dtypes.float32.code) }
      }
      default:
        return attribute
    }
  }
}
