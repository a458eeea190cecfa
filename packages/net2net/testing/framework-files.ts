/** Small files of Keras and PyTorch, made without either. */
import { hdf5Parts } from '../src/bridges/hdf5-write.ts'
import type { JsonObject } from '../src/bridges/keras/json.ts'
import { type KerasFile, kerasParts, withNames } from '../src/bridges/keras/keras-file.ts'
import {
  PickleCall,
  PickleDict,
  PickleGlobal,
  PickleTuple,
  type PickleValue,
} from '../src/bridges/pickle.ts'
import { torchFileParts } from '../src/bridges/torch-file.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32, type LazyTensor, type Tensor } from '../src/tensor/tensor.ts'

type Group = KerasFile['weights']
type Child = Group['children'] extends ReadonlyMap<string, infer C> ? C : never
type Value = Group['attributes'] extends ReadonlyMap<string, infer V> ? V : never

/** Parts of a file as its bytes. */
export const joined = (
  parts: readonly { readonly byteLength: number; read(at: number, length: number): Uint8Array }[],
): Uint8Array => Buffer.concat(parts.map((part) => part.read(0, part.byteLength)))

const text = (value: string): Value => ({ kind: 'texts', dims: [], texts: [value] })
const group = (
  children: Readonly<Record<string, Child>>,
  attributes: Readonly<Record<string, Value>> = {},
): Group => ({
  kind: 'group',
  children: new Map(Object.entries(children)),
  attributes: new Map(Object.entries(attributes)),
})
const dataset = (tensor: Tensor): Child => ({
  kind: 'dataset',
  value: { kind: 'numbers', tensor },
  attributes: new Map(),
})

/** The weights of a perceptron: 6 inputs, a hidden layer of 8 units, 3 outputs. */
function weights() {
  const random = randomStream(5, 'keras')
  const normal = (...dims: number[]) =>
    float32(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
    )
  return {
    hidden: { kernel: normal(6, 8), bias: normal(8) },
    answer: { kernel: normal(8, 3), bias: normal(3) },
  }
}

const dense = (name: string, units: number, activation: string): JsonObject => ({
  module: 'keras.layers',
  class_name: 'Dense',
  config: { name, trainable: true, dtype: 'float32', units, activation, use_bias: true },
  registered_name: null,
})

/** What Keras says of the perceptron. */
export const perceptron: JsonObject = {
  module: 'keras',
  class_name: 'Sequential',
  config: {
    name: 'sequential',
    layers: [
      {
        module: 'keras.layers',
        class_name: 'InputLayer',
        config: { batch_shape: [null, 6], dtype: 'float32', name: 'input' },
        registered_name: null,
      },
      dense('hidden', 8, 'relu'),
      dense('answer', 3, 'linear'),
    ],
  },
  registered_name: null,
}

/** The perceptron as a `.keras` file. A test may say something else of it. */
export function kerasBytes(model: JsonObject = perceptron): Uint8Array {
  const { hidden, answer } = weights()
  const layer = (name: string, { kernel, bias }: typeof hidden) =>
    group({ vars: group({ 0: dataset(kernel), 1: dataset(bias) }, { name: text(name) }) })
  return joined(
    kerasParts({
      format: 'keras',
      name: 'mlp.keras',
      model,
      compiled: undefined,
      weights: group({
        layers: group({ dense: layer('hidden', hidden), dense_1: layer('answer', answer) }),
      }),
      tensors: new Map(),
      others: new Map(),
    }),
  )
}

/** The perceptron as an older `.h5` file. */
export function legacyKerasBytes(model: JsonObject = perceptron): Uint8Array {
  const layers = Object.entries(weights()).map(([name, { kernel, bias }]) => {
    const own = group({ 'kernel:0': dataset(kernel), 'bias:0': dataset(bias) })
    const names = [`${name}/kernel:0`, `${name}/bias:0`]
    return [name, withNames(group({ [name]: own }), 'weight_names', names)]
  })
  return joined(
    hdf5Parts(
      group(
        { model_weights: group(Object.fromEntries(layers)) },
        { model_config: text(JSON.stringify(model)) },
      ),
    ),
  )
}

/** Tensors by name as PyTorch saves them. */
export function torchBytes(tensors: ReadonlyMap<string, LazyTensor>): Uint8Array {
  const byCall = new Map<PickleValue, LazyTensor>()
  const value = new PickleDict()
  for (const [name, tensor] of tensors) {
    const rebuild = new PickleGlobal('torch._utils', '_rebuild_tensor_v2')
    const hooks = new PickleCall(
      new PickleGlobal('collections', 'OrderedDict'),
      new PickleTuple([]),
    )
    // The writer gives the storage, the offset, the sizes and the strides itself.
    const call = new PickleCall(rebuild, new PickleTuple([null, null, null, null, false, hooks]))
    byCall.set(call, tensor)
    value.entries.push([name, call])
  }
  const tensorOf = (candidate: PickleValue | undefined) =>
    candidate === undefined ? undefined : byCall.get(candidate)
  return joined(torchFileParts({ value, tensorOf }, () => undefined, 'state'))
}
