import { expect, test } from 'vitest'
import { compareSteps, type Net, type Spec } from '../../../testing/compare-steps.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import { int64, type LazyTensor, Tensor } from '../../tensor/tensor.ts'
import { lastStates } from './last-states.ts'

const gates = { LSTM: 4, GRU: 3, RNN: 1 }
type Kind = keyof typeof gates

interface Layer {
  readonly kind: Kind
  readonly direction: string
  readonly time: number
  readonly features: number
  readonly hidden: number
  /** [batch, time, …] is what the reader reads. */
  readonly isBatchFirst: boolean
  readonly index: number
  readonly isSlice: boolean
  /** The axis of the directions is reshaped away. */
  readonly isReshaped: boolean
}

function drawLayer(random: RandomStream): Layer {
  const time = 2 + random.below(4)
  const direction = random.below(2) === 0 ? 'forward' : 'reverse'
  const isFromEnd = random.below(2) === 0
  const at = direction === 'forward' ? time - 1 : 0
  return {
    kind: (['LSTM', 'GRU', 'RNN'] as const)[random.below(3)]!,
    direction,
    time,
    features: 2 + random.below(20),
    hidden: random.below(2) === 0 ? 3 + random.below(6) : 64,
    isBatchFirst: random.below(2) === 0,
    index: isFromEnd ? at - time : at,
    isSlice: random.below(2) === 0,
    isReshaped: random.below(2) === 0,
  }
}

/** One entry of the layer's states, as exporters write it. */
function layersOf(layer: Layer): Spec['layers'] {
  const { kind, direction, features, hidden, isBatchFirst, index, isSlice, isReshaped } = layer
  return (net: Net) => {
    const { builder } = net
    const rows = gates[kind] * hidden
    const x = builder.node('Transpose', ['input'], { perm: [1, 0, 2] })
    const weights = [
      net.parameter('w', [1, rows, features]),
      net.parameter('r', [1, rows, hidden]),
      net.parameter('b', [1, 2 * rows]),
    ]
    const attributes = { hidden_size: hidden, direction }
    const [y = ''] = builder.nodeOutputs(kind, [x, ...weights], attributes, { outputs: 1 })
    const beside = () => builder.node('Transpose', [y], { perm: [0, 2, 1, 3] })
    const squeezed = isReshaped
      ? builder.node('Reshape', [beside(), net.ints(0, 0, hidden)])
      : builder.node('Squeeze', [y, net.ints(1)])
    const read = isBatchFirst
      ? builder.node('Transpose', [squeezed], { perm: [1, 0, 2] })
      : squeezed
    const axis = isBatchFirst ? 1 : 0
    const end = index === -1 ? 2 ** 40 : index + 1
    const found = isSlice
      ? builder.node('Slice', [read, net.ints(index), net.ints(end), net.ints(axis)])
      : builder.node('Gather', [read, builder.constant(int64([index], []))], { axis })
    // Everything of a sample, whichever axis is first.
    return [builder.node('Reshape', [found, net.ints(-1, hidden)]), hidden]
  }
}

const placed = ({ graph }: Model) => graph.nodes.filter(({ opType }) => opType === 'Pad')

test('the last step of a recurrent layer is its last state: the step is the same without the others', async () => {
  const random = randomStream(testSeed, 'last states')
  for (let draw = 0; draw < 8; draw++) {
    const layer = drawLayer(random)
    const lowered = await compareSteps({
      input: [layer.time, layer.features],
      layers: layersOf(layer),
    }).catch((cause: unknown) => {
      throw new Error(`seed ${testSeed}, draw ${draw}: ${JSON.stringify(layer)}`, { cause })
    })
    // What is read of one step alone has a gradient that is zero in all others.
    expect(placed(lowered), `seed ${testSeed}, draw ${draw}`).toHaveLength(0)
  }
})

/** A layer of two units, whose states of five steps are read by one node. */
function modelOf(
  attributes: Readonly<Record<string, string>>,
  lengths: LazyTensor | undefined,
  index: number,
): Model {
  const builder = new GraphBuilder()
  builder.input('input', 'float32', [5, 'batch', 3])
  const directions = attributes.direction === 'bidirectional' ? 2 : 1
  const zeros = (...dims: number[]) =>
    builder.constant(new Tensor('float32', dims, new Float32Array(dims.reduce((a, b) => a * b, 1))))
  const inputs = ['input', zeros(directions, 8, 3), zeros(directions, 8, 2)]
  if (lengths) inputs.push('', builder.constant(lengths))
  const [y = ''] = builder.nodeOutputs('LSTM', inputs, attributes, { outputs: 1 })
  const entry = builder.node('Gather', [y, builder.constant(int64([index], []))], { axis: 0 })
  builder.output(entry, 'float32', [directions, 'batch', 2])
  return builder.model()
}

test('any other step stays what it is, and so do sequences of other lengths and layers that go both ways', () => {
  const isChanged = (...layer: Parameters<typeof modelOf>) => {
    const model = modelOf(...layer)
    return lastStates(model) !== model
  }
  expect(isChanged({}, undefined, -1)).toBe(true)
  expect(isChanged({}, undefined, 4)).toBe(true)
  expect(isChanged({ direction: 'reverse' }, undefined, 0)).toBe(true)
  expect(isChanged({ direction: 'reverse' }, undefined, -5)).toBe(true)
  expect(isChanged({}, undefined, -2)).toBe(false)
  expect(isChanged({}, undefined, 0)).toBe(false)
  expect(isChanged({ direction: 'reverse' }, undefined, -1)).toBe(false)
  expect(isChanged({ direction: 'bidirectional' }, undefined, -1)).toBe(false)
  expect(isChanged({}, new Tensor('int32', [2], Int32Array.of(5, 3)), -1)).toBe(false)
})
