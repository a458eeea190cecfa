/**
 * Constant: a tensor written in the node. https://onnx.ai/onnx/operators/onnx__Constant.html
 *
 * Growth: the tensor is a weight like any other, so every axis is free and is gathered as its reader needs
 * it. It has no inputs and so no gradient.
 */
import { inputError } from '../../errors.ts'
import type { Node } from '../../model/model.ts'
import { float32, type LazyTensor, Tensor } from '../../tensor/tensor.ts'
import { none } from '../contract/answers.ts'
import type { Operator } from '../contract/operator.ts'
import { outputShape } from '../helpers/axes-rules.ts'

const encoder = new TextEncoder()

const stringTensor = (dims: readonly number[], values: readonly string[]): LazyTensor => ({
  dtype: 'string',
  dims,
  byteLength: 0,
  read: () => new Uint8Array(),
  strings: values.map((value) => encoder.encode(value)),
})

const values = new WeakMap<Node, LazyTensor>()

/** The tensor of a Constant node, in whichever attribute it is written; undefined if sparse. */
export function constantValue(node: Node): LazyTensor | undefined {
  const known = values.get(node)
  if (known) return known
  const value = readValue(node)
  if (value) values.set(node, value)
  return value
}

function readValue(node: Node): LazyTensor | undefined {
  for (const [name, attribute] of node.attributes) {
    if (name === 'value' && attribute.type === 'tensor') return attribute.value
    if (name === 'value_float' && attribute.type === 'float') return float32([], [attribute.value])
    if (name === 'value_floats' && attribute.type === 'floats')
      return float32([attribute.value.length], attribute.value)
    if (name === 'value_int' && attribute.type === 'int')
      return new Tensor('int64', [], BigInt64Array.of(attribute.value))
    if (name === 'value_ints' && attribute.type === 'ints')
      return new Tensor('int64', [attribute.value.length], BigInt64Array.from(attribute.value))
    if (name === 'value_string' && attribute.type === 'string')
      return stringTensor([], [attribute.value])
    if (name === 'value_strings' && attribute.type === 'strings')
      return stringTensor([attribute.value.length], attribute.value)
    if (name === 'sparse_value') return undefined
  }
  throw inputError('It has no value that can be read.')
}

export const constants: readonly Operator[] = [
  {
    name: 'Constant',
    infer: ({ node }) => {
      const value = constantValue(node)
      return [value ? { dtype: value.dtype, shape: value.dims, constant: value } : {}]
    },
    axes: (context) => [
      {
        axes: outputShape(context).map((size) =>
          context.unit(size, `an axis of the constant "${context.node.outputs[0]}"`),
        ),
      },
    ],
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
  },
]
