import { expect, test } from 'vitest'
import { compareSteps, type Net, operatorsOf, type Spec } from '../../../testing/compare-steps.ts'
import { anyOf, between } from '../../../testing/draws.ts'
import { checkGradients, type GradientCase, normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { type RandomStream, randomStream } from '../../tensor/random.ts'
import type { Tensor } from '../../tensor/tensor.ts'

type Direction = 'forward' | 'reverse' | 'bidirectional'

interface Sizes {
  readonly features: number
  readonly hidden: number
  readonly direction: Direction
}

const directionsOf = (direction: Direction) => (direction === 'bidirectional' ? 2 : 1)

/** [time, batch, features] through an LSTM: all states, [time, batch, directions · hidden], and the last cell. */
function lstm(net: Net, x: string, { features, hidden, direction }: Sizes): readonly string[] {
  const directions = directionsOf(direction)
  const weights = [
    net.parameter('w', [directions, 4 * hidden, features]),
    net.parameter('r', [directions, 4 * hidden, hidden]),
    net.parameter('b', [directions, 8 * hidden]),
  ]
  const attributes = { hidden_size: hidden, direction }
  const [y, , cell] = net.builder.nodeOutputs('LSTM', [x, ...weights], attributes, { outputs: 3 })
  const beside = net.builder.node('Transpose', [y!], { perm: [0, 2, 1, 3] })
  return [net.builder.node('Reshape', [beside, net.ints(0, 0, -1)]), cell!]
}

/** Two layers, and the end of the first one's cell. */
const stacked = (
  time: number,
  features: number,
  hidden: number,
  directions: readonly [Direction, Direction] = ['forward', 'bidirectional'],
): Spec => ({
  input: [time, features],
  layers: (net) => {
    const [below, above] = directions.map((each) => directionsOf(each) * hidden) as [number, number]
    const x = net.builder.node('Transpose', ['input'], { perm: [1, 0, 2] })
    const [y, cell] = lstm(net, x, { features, hidden, direction: directions[0] })
    const [z] = lstm(net, y!, { features: below, hidden, direction: directions[1] })
    const last = net.builder.node('Gather', [z!, net.ints(-1)], { axis: 0 })
    const cells = net.builder.node('Transpose', [cell!], { perm: [1, 0, 2] })
    const flat = [last, cells].map((value, i) =>
      net.builder.node('Reshape', [value, net.ints(-1, i === 0 ? above : below)]),
    )
    return [net.builder.node('Concat', flat, { axis: 1 }), below + above]
  },
})

const countOf = (type: string, spec: Spec) =>
  compareSteps(spec).then((step) => operatorsOf(step).filter((name) => name === type).length)

test('wide LSTMs keep their gates: their kernel is left out, and the step is the same', async () => {
  const random = randomStream(testSeed, 'kept gates')
  const any = () => anyOf<Direction>(random, ['forward', 'reverse', 'bidirectional'])
  for (let draw = 0; draw < 6; draw++) {
    const [time, features, hidden] = [
      between(random, 1, 5),
      between(random, 16, 24),
      between(random, 64, 83),
    ] as const
    const directions = [any(), any()] as const
    const lowered = await compareSteps(stacked(time, features, hidden, directions))
    const used = operatorsOf(lowered)
    const told = `seed ${testSeed}, draw ${draw}: ${[time, features, hidden, ...directions]}`
    expect(used, told).not.toContain('LSTM')
    // There and back, whether a layer goes one way or both ways.
    expect(used.filter((name) => name === 'Scan')).toHaveLength(4)
  }
})

test('wide inputs are multiplied before the steps', async () => {
  const used = operatorsOf(await compareSteps(stacked(3, 320, 64)))
  expect(used).toContain('MatMul')
  expect(used.filter((name) => name === 'Scan')).toHaveLength(4)
  await compareSteps(stacked(3, 320, 64, ['bidirectional', 'reverse']))
})

test('the product of all steps has one more of zeros where lines would collide in the cache', async () => {
  // 32 samples are assumed where the batch is open: a line has 1,024 numbers, or 992.
  for (const direction of ['forward', 'bidirectional'] as const) {
    const padsAfter = (time: number) =>
      countOf('Pad', stacked(time, 16, 64, [direction, 'bidirectional']))
    expect(await padsAfter(32)).toBe((await padsAfter(31)) + 1)
  }
})

test('small LSTMs stay with their kernel', async () => {
  expect(await countOf('LSTM', stacked(5, 8, 8))).toBe(2)
})

/** One layer whose gates are kept, with anything that such layers may have. */
function anyKept(random: RandomStream): GradientCase {
  const is = () => random.below(2) === 0
  const direction = is() ? 'bidirectional' : anyOf<Direction>(random, ['forward', 'reverse'])
  const directions = directionsOf(direction)
  const [time, batch] = [between(random, 1, 4), between(random, 1, 2)]
  const features = is() ? between(random, 12, 20) : between(random, 286, 290)
  const hidden = between(random, 64, 68)
  const builder = new GraphBuilder()
  const inputs: Record<string, Tensor> = {}
  const input = (name: string, dims: readonly number[], shape: readonly (number | string)[]) => {
    inputs[name] = normalTensor(random, dims, { scale: name === 'x' ? 1 : 0.1 })
    return builder.input(name, 'float32', shape)
  }
  const weights = (name: string, ...dims: readonly number[]) => input(name, dims, dims)
  const state = (name: string) =>
    is() ? input(name, [directions, batch, hidden], [directions, 'batch', hidden]) : ''
  const layer = [
    input('x', [time, batch, features], [is() ? time : 'time', 'batch', features]),
    weights('w', directions, 4 * hidden, features),
    weights('r', directions, 4 * hidden, hidden),
    is() ? weights('b', directions, 8 * hidden) : '',
    '',
    state('h'),
    state('c'),
  ]
  const attributes = { hidden_size: hidden, direction }
  const outputs = builder.nodeOutputs('LSTM', layer, attributes, { outputs: 3 })
  outputs.forEach((name, k) => {
    const steps = k === 0 ? [null] : []
    builder.output(name, 'float32', [...steps, directions, 'batch', hidden])
  })
  const read = outputs.filter(is)
  return {
    model: builder.model(),
    inputs,
    wrt: Object.keys(inputs).filter((name) => name !== 'x' || is()),
    ...(read.length > 0 && { outputs: read }),
  }
}

test('gradients are those of finite differences, whatever the layer has and whatever is read of it', async () => {
  await checkGradients({ draw: anyKept, draws: 8, seed: testSeed })
}, 120_000)
