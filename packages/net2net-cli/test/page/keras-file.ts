/** A small network of Keras in the format of its files, made without Keras. */
import { type KerasFile, kerasParts } from 'net2net/bridges'
import { float32, randomStream, type Tensor } from 'net2net/tensor'

type Group = KerasFile['weights']

const group = (
  children: Readonly<
    Record<string, Group['children'] extends ReadonlyMap<string, infer C> ? C : never>
  >,
  name?: string,
): Group => ({
  kind: 'group',
  children: new Map(Object.entries(children)),
  attributes: new Map(
    name === undefined ? [] : [['name', { kind: 'texts', dims: [], texts: [name] }]],
  ),
})
const dataset = (tensor: Tensor) =>
  ({ kind: 'dataset', value: { kind: 'numbers', tensor }, attributes: new Map() }) as const

/** The bytes of `mlp.keras`: 6 inputs, a hidden layer of 8 units, 3 outputs. */
export function kerasBytes(): Uint8Array {
  const random = randomStream(5, 'keras')
  const normal = (...dims: number[]) =>
    float32(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
    )
  const dense = (name: string, units: number, activation: string) => ({
    module: 'keras.layers',
    class_name: 'Dense',
    config: { name, trainable: true, dtype: 'float32', units, activation, use_bias: true },
    registered_name: null,
  })
  const layer = (name: string, from: number, to: number) =>
    group({ vars: group({ 0: dataset(normal(from, to)), 1: dataset(normal(to)) }, name) })
  const file: KerasFile = {
    format: 'keras',
    name: 'mlp.keras',
    model: {
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
    },
    compiled: undefined,
    weights: group({
      layers: group({ dense: layer('hidden', 6, 8), dense_1: layer('answer', 8, 3) }),
    }),
    tensors: new Map(),
    others: new Map(),
  }
  return Buffer.concat(kerasParts(file).map((part) => part.read(0, part.byteLength)))
}
